import { UserError } from '../../../errors.js';
import { findProgram, type ProgramCall, run } from './commands.js';

/** The programs that setup-native needs. */
export interface Tools {
  readonly npm: ProgramCall;
  readonly pip: ProgramCall;
  /** Where the binding is to be compiled. */
  readonly compiler?: ProgramCall;
}

/** Finds the programs. Throws a UserError that names all that are missing, and how to get them. */
export async function findTools(compiles: boolean, env: NodeJS.ProcessEnv = process.env): Promise<Tools> {
  const npm = await findProgram(['npm'], env);
  const pip = await findPip(env);
  const compilers = env.CXX ? [env.CXX] : ['c++', 'g++', 'clang++'];
  const compiler = compiles ? await findProgram(compilers, env) : undefined;
  if (npm && pip && (compiler || !compiles)) {
    return { npm: [npm], pip, compiler: compiler ? [compiler] : undefined };
  }
  const missing = [
    ...(npm ? [] : ['npm (it comes with Node)']),
    ...(pip ? [] : ['pip, which downloads TensorFlow (Debian and Ubuntu: apt-get install python3-pip)']),
    ...(compiler || !compiles
      ? []
      : ['a C++ compiler (Debian and Ubuntu: apt-get install g++; or name yours in CXX)']),
  ];
  throw new UserError(`setup-native needs ${missing.join(', and ')}: not found on the PATH`);
}

/** pip as a module of Python or as a program: not every Python has it. */
export async function findPip(env: NodeJS.ProcessEnv): Promise<ProgramCall | undefined> {
  for (const python of ['python3', 'python']) {
    if (!(await findProgram([python], env))) continue;
    const pip: ProgramCall = [python, '-m', 'pip'];
    if (await works(pip, env)) return pip;
  }
  const program = await findProgram(['pip3', 'pip'], env);
  return program && (await works([program], env)) ? [program] : undefined;
}

function works(pip: ProgramCall, env: NodeJS.ProcessEnv): Promise<boolean> {
  return run(pip, ['--version'], { env }).then(
    () => true,
    () => false,
  );
}
