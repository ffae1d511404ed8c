/** Predictions whose confidence falls into one bin. */
export interface CalibrationBin {
  /** Confidences from above `from` up to and with `to`. */
  readonly from: number;
  readonly to: number;
  images: number;
  correct: number;
  confidenceSum: number;
}

/** Bins of Guo et al. 2017 (arXiv 1706.04599, section 5). */
const CALIBRATION_BINS = 15;

/** Bins of equal width over the confidences 0…1, all empty. */
export function emptyBins(count = CALIBRATION_BINS): CalibrationBin[] {
  return Array.from({ length: count }, (_, i) => ({
    from: i / count,
    to: (i + 1) / count,
    images: 0,
    correct: 0,
    confidenceSum: 0,
  }));
}

/** Counts a prediction: the probability given to the class that was named, and whether that is the truth. */
export function addToBins(bins: CalibrationBin[], confidence: number, correct: boolean): void {
  const bin = bins.find(({ to }) => confidence <= to) ?? bins.at(-1)!;
  bin.images++;
  bin.confidenceSum += confidence;
  if (correct) bin.correct++;
}

/**
 * Expected calibration error, 0…1: the mean over all predictions of how far a bin's accuracy is from its mean
 * confidence (arXiv 1706.04599, equation 3). NaN without predictions.
 */
export function expectedCalibrationError(bins: readonly CalibrationBin[]): number {
  const images = bins.reduce((sum, bin) => sum + bin.images, 0);
  return bins.reduce((sum, bin) => sum + Math.abs(bin.correct - bin.confidenceSum), 0) / images;
}
