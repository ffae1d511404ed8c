/**
 * A server that classifies images, with Fastify:
 *
 *     node examples/serve/server.mjs MODEL [--port 3000] [--host 127.0.0.1] [--most 64] [--backend auto]
 *
 *     curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' 'http://127.0.0.1:3000/classify?top=3'
 *
 * POST /classify    the bytes of an image → {"predictions": [{"index", "label", "probability", "logit"}, …]}
 * GET /metrics      for Prometheus
 * GET /healthz      200 once the model has answered, 503 while the server ends
 *
 * Requests that come together are computed together; the model sees to that. `--most` images are under way at a time; what
 * comes beyond them is answered at once with 503 and Retry-After, so that nobody waits long and memory stays bounded.
 * SIGTERM and SIGINT end it: what was taken is answered first.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as deit from 'deit-tfjs/node';
import fastify from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** An image file may be this long, in bytes. */
const MAX_BYTES = 20 * 1024 * 1024;

/** Seconds after which a client that was sent away may come again. */
const RETRY_AFTER = 1;

function makeMetrics() {
  const register = new Registry();
  collectDefaultMetrics({ register });
  return {
    register,
    images: new Counter({
      name: 'deit_images_total',
      help: 'Images by what became of them: classified, refused (no image), overload, aborted, failed',
      labelNames: ['result'],
      registers: [register],
    }),
    underWay: new Gauge({
      name: 'deit_images_under_way',
      help: 'Images that are decoded or computed, or wait for it',
      registers: [register],
    }),
    seconds: new Histogram({
      name: 'deit_classify_seconds',
      help: 'Time from the last byte of an image to its answer',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
      registers: [register],
    }),
  };
}

/**
 * @param {{ classify: deit.VisionTransformer['classify'] }} model
 * @param {{ most?: number }} [options] how many images may be under way
 */
export function makeServer(model, { most = 64 } = {}) {
  const server = fastify({ bodyLimit: MAX_BYTES, forceCloseConnections: 'idle' });
  const { register, images, underWay, seconds } = makeMetrics();
  let count = 0;
  let ending = false;

  // Before the body is read: an image that will not be computed is not taken into memory either.
  server.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'POST' || count < most) return;
    images.inc({ result: 'overload' });
    await reply.code(503).header('Retry-After', RETRY_AFTER).send({ error: 'too many images at once' });
  });
  server.addHook('preClose', async () => {
    ending = true;
  });
  // Or the connection of the last answer would be kept open for the next request, and the process with it.
  server.addHook('onSend', async (_, reply) => {
    if (ending) reply.header('Connection', 'close');
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser(
    /^image\/|^application\/octet-stream$/,
    { parseAs: 'buffer' },
    async (_, body) => body,
  );

  const schema = {
    querystring: {
      type: 'object',
      properties: { top: { type: 'integer', minimum: 1, maximum: 100, default: 5 } },
      additionalProperties: false,
    },
  };
  server.post('/classify', { schema }, async (request, reply) => {
    // Several may have been let in while their bodies came.
    if (count >= most) {
      images.inc({ result: 'overload' });
      return reply.code(503).header('Retry-After', RETRY_AFTER).send({ error: 'too many images at once' });
    }
    const image = /** @type {Buffer | undefined} */ (request.body);
    if (!image) return reply.code(415).send({ error: 'the body is the bytes of an image, of type image/…' });
    const { top } = /** @type {{ top: number }} */ (request.query);
    // A client that has gone is not computed for.
    const abort = new AbortController();
    reply.raw.on('close', () => {
      if (!reply.raw.writableFinished) abort.abort();
    });
    underWay.set(++count);
    const stop = seconds.startTimer();
    try {
      const predictions = await model.classify(image, { topK: top, signal: abort.signal });
      images.inc({ result: 'classified' });
      return { predictions };
    } catch (error) {
      if (abort.signal.aborted) {
        images.inc({ result: 'aborted' });
        return reply.code(499).send();
      }
      // What the sender can mend: bytes that are no image, or one of a format that is not read.
      const refused = error instanceof deit.UserError;
      images.inc({ result: refused ? 'refused' : 'failed' });
      if (!refused) throw error;
      return reply.code(422).send({ error: error.message });
    } finally {
      stop();
      underWay.set(--count);
    }
  });

  server.get('/metrics', async (_, reply) => {
    return reply.header('Content-Type', register.contentType).send(await register.metrics());
  });
  server.get('/healthz', async (_, reply) => reply.code(ending ? 503 : 200).send({ ok: !ending }));
  return server;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      port: { type: 'string', default: '3000' },
      host: { type: 'string', default: '127.0.0.1' },
      most: { type: 'string', default: '64' },
      backend: { type: 'string', default: 'auto' },
    },
  });
  const [path] = positionals;
  const most = Number(values.most);
  if (positionals.length !== 1 || !Number.isSafeInteger(most) || most < 1) {
    console.error('usage: server.mjs MODEL [--port N] [--host HOST] [--most N] [--backend NAME]');
    process.exit(2);
  }
  const model = await deit.load(path, { backend: values.backend });
  // The first image takes longer: it is not a client's.
  const [height, width] = model.config.imgSize;
  await model.classify({ data: new Uint8Array(3 * height * width), width, height });
  const server = makeServer(model, { most });
  const end = async () => {
    await server.close();
    model.dispose();
  };
  process.once('SIGTERM', end).once('SIGINT', end);
  console.log(await server.listen({ host: values.host, port: Number(values.port) }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
