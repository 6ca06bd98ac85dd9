// Simpler versions of a schedule, the boldest first: fewer steps, fewer parts, plainer settings.
import type { Action, Part, Schedule, Step } from '../schedule/schedule';

export function* simpler(schedule: Schedule): Generator<Schedule> {
  const { steps } = schedule;
  for (let size = steps.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at + size <= steps.length; at += size) yield { ...schedule, steps: without(steps, at, size) };
  }
  for (const [i, step] of steps.entries()) {
    for (const action of simplerActions(step.action)) yield { ...schedule, steps: steps.with(i, { ...step, action }) };
  }
  yield* plainerSettings(schedule);
  for (const [i, step] of steps.entries()) {
    for (const afterMillis of [0, step.afterMillis >> 1]) {
      if (afterMillis < step.afterMillis) yield { ...schedule, steps: steps.with(i, { ...step, afterMillis }) };
    }
  }
}

/** What follows stays at its moment. */
function without(steps: Step[], at: number, count: number): Step[] {
  const gone = steps.slice(at, at + count).reduce((sum, { afterMillis }) => sum + afterMillis, 0);
  const rest = steps.slice(at + count);
  const [next, ...others] = rest;
  const moved = next ? [{ ...next, afterMillis: next.afterMillis + gone }, ...others] : [];
  return [...steps.slice(0, at), ...moved];
}

function* simplerActions(action: Action): Generator<Action> {
  if ('body' in action) {
    for (const body of simplerBodies(action.body)) yield { ...action, body };
  }
  if ('options' in action) {
    for (const options of withoutKeys(action.options)) yield { ...action, options } as Action;
  }
  if ('onCopy' in action && action.onCopy) yield { ...action, onCopy: false };
  if (action.act === 'by hand' && action.statements.length > 1)
    yield { ...action, statements: action.statements.slice(1) };
}

function* simplerBodies(body: Part[]): Generator<Part[]> {
  for (const i of body.keys()) yield body.toSpliced(i, 1);
  for (const [i, part] of body.entries()) {
    for (const parts of simplerParts(part)) yield body.toSpliced(i, 1, ...parts);
  }
}

function* simplerParts(part: Part): Generator<Part[]> {
  if (part.part === 'nest' || part.part === 'sandbox') {
    yield part.body;
    for (const body of simplerBodies(part.body)) yield [{ ...part, body }];
  }
  if (part.part === 'nest' && part.options) {
    for (const options of withoutKeys(part.options)) yield [{ ...part, options }];
  }
  if (part.part === 'together') {
    yield part.parts;
    for (const parts of simplerBodies(part.parts)) yield [{ ...part, parts }];
  }
  if ('how' in part && part.how !== 'await') yield [{ ...part, how: 'await' }];
  if (part.part === 'ask') {
    const { statement } = part;
    if (statement.ask !== 'insert') yield [{ ...part, statement: { ...statement, ask: 'insert' } }];
    if (statement.hasBindings) yield [{ ...part, statement: { ...statement, hasBindings: false } }];
  }
  if (part.part === 'pause' && part.millis > 0) yield [{ ...part, millis: part.millis >> 1 }];
}

function* plainerSettings(schedule: Schedule): Generator<Schedule> {
  const { setting } = schedule;
  for (const options of withoutKeys(setting.options)) yield { ...schedule, setting: { ...setting, options } };
  for (const foreign of withoutKeys(setting.foreign)) yield { ...schedule, setting: { ...setting, foreign } };
  if (setting.fragmentation > 0) yield { ...schedule, setting: { ...setting, fragmentation: 0 } };
  if (setting.slowLinks !== undefined) {
    const { slowLinks: _, ...rest } = setting;
    yield { ...schedule, setting: rest };
  }
  if (setting.owner !== undefined) {
    const { owner: _, ...rest } = setting;
    yield { ...schedule, setting: rest };
  }
  if (setting.poolMin > 0) yield { ...schedule, setting: { ...setting, poolMin: 0 } };
  if (setting.way === 'factory') yield { ...schedule, setting: { ...setting, way: 'address' } };
}

function* withoutKeys<T extends object>(options: T): Generator<T> {
  for (const key of Object.keys(options)) {
    const { [key as keyof T]: _, ...rest } = options;
    yield rest as T;
  }
}
