import type { Plan } from "./run.js";

/** What a plan amounts to, in one sentence. */
export function summary(plan: Plan): string {
  const count = plan.steps.length;
  const ready = count === 1 ? "one {{ entity_words }} is ready" : `${count} {{ entities_words }} are ready`;
  return plan.problems.length === 0 ? `${ready}.` : `${ready}, ${plan.problems.length} lines need attention.`;
}
