import * as ort from 'onnxruntime-node';
import { toPlanes } from './lib/models.mjs';
import { onnxModel } from './lib/onnxModel.mjs';
import { reference } from './gpu/measure.mjs';
const { model, batchOf } = await reference('tiny');
for (const b of [1, 8]) { const s = await ort.InferenceSession.create(onnxModel(model, b, 'pixel_values'), { executionProviders: ['webgpu'] });
 const x = toPlanes(batchOf(b), b); for (let i=0;i<3;i++) { const t=performance.now(); const c=process.cpuUsage(); const r=(await s.run({ pixel_values: new ort.Tensor('float32', x, [b,3,224,224]) })).logits.data; const u=process.cpuUsage(c); console.log('ort', b, i, (performance.now()-t).toFixed(0), 'cpu', ((u.user+u.system)/1000).toFixed(0)); } }
process.exit(0)
