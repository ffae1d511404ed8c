/** What loading and classifying need of Node, whatever computes. */
import { addImageDecoder, setImagePreparer } from '../models/classify.js';
import { decodeNodeImage, NODE_KINDS } from './imageInputs.js';
import { prepareImage } from './prepareImage.js';

addImageDecoder(decodeNodeImage, NODE_KINDS);
setImagePreparer(prepareImage);
