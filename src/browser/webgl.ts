/** The WebGL backend, fetched when it is first tried. */
import '@tensorflow/tfjs-backend-webgl';
