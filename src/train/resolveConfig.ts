import { UserError } from '../errors.js';
import { parseConfig } from '../schema.js';
import { type TrainConfig, trainSchema } from './config.js';

/**
 * A whole configuration: the defaults, over them the given one, over that single fields by path.
 *
 * @param given a partial configuration, of unknown origin
 * @param fields values by path, e.g. {'optimizer.lr': 1e-3}; a group's path takes null
 * @param source names the configuration in errors
 * @throws UserError that names the field, what it may be and what it is
 */
export function resolveTrainConfig(
  given: unknown,
  fields: Readonly<Record<string, unknown>> = {},
  source = 'configuration',
): TrainConfig {
  const config = parseConfig(trainSchema, given, fields, source);
  checkTogether(config);
  return config;
}

/** What no field tells by itself. Nothing is read or opened here. */
function checkTogether(config: TrainConfig): void {
  const { model, init, data, val, output, distillation, optimizer, schedule } = config;
  const need = (ok: boolean, message: string) => {
    if (!ok) throw new UserError(message);
  };
  need(output !== '', 'say where the results go: output is empty (--output FOLDER)');
  need(data.path !== '', 'say where the training images are: data.path is empty (--data.path FOLDER)');
  need(val.path !== '', 'say where the validation images are: val.path is empty (--val.path FOLDER)');
  need(
    model.name === null || init.from === null,
    'model.name and init.from both give a shape; leave one of them out',
  );
  need(
    (distillation.type === 'none') === (distillation.teacher === null),
    distillation.type === 'none'
      ? 'distillation.teacher is given, but distillation.type is none; choose soft or hard'
      : `distillation.type is ${distillation.type}, so distillation.teacher must name a model`,
  );
  need(optimizer.beta1 < 1 && optimizer.beta2 < 1, 'optimizer.beta1 and beta2 must be below 1');
  need(
    schedule.warmupEpochs < schedule.epochs,
    `schedule.warmupEpochs (${schedule.warmupEpochs}) must be below schedule.epochs (${schedule.epochs})`,
  );
  need((model.dropPathRate ?? 0) < 1, 'model.dropPathRate must be below 1');
}
