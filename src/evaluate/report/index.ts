/** A report of an evaluation as one HTML page. */
export { expectedCalibrationError } from './calibration.js';
export { type ReportContents, reportPage, type Stage } from './page.js';
export { EvaluationRecord, type Mistake } from './record.js';
