/** Quota and weights of roles. Source: semantics 1.5, 4.3, 4.10. */
import { ok, type Result } from "../../base/result.ts";
import type { Quota, RegistryState, RoleQuota, RoleWeight } from "./registry-state.ts";
import { isSameMessage } from "./same-message.ts";

/** Sets or, without guarantees and limits, deletes the quota of each role named. */
export function updateQuota(state: RegistryState, quotas: readonly RoleQuota[]): Result<boolean> {
  let isChanged = false;
  for (const { role, guarantees, limits } of quotas) {
    const known = state.quotas.get(role);
    if (isDefault({ guarantees, limits })) {
      isChanged = state.quotas.delete(role) || isChanged;
      continue;
    }
    if (known !== undefined && isSameMessage(known, { guarantees, limits })) continue;
    state.quotas.set(role, { guarantees, limits });
    isChanged = true;
  }
  return ok(isChanged);
}

/** Sets the weight of each role named. */
export function updateWeights(
  state: RegistryState,
  weights: readonly RoleWeight[],
): Result<boolean> {
  let isChanged = false;
  for (const { role, weight } of weights) {
    if (state.weights.get(role) === weight) continue;
    state.weights.set(role, weight);
    isChanged = true;
  }
  return ok(isChanged);
}

function isDefault({ guarantees, limits }: Quota): boolean {
  return (
    Object.values(guarantees).every((value) => value === 0) && Object.keys(limits).length === 0
  );
}
