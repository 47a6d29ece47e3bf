/**
 * Resources where the master meets messages: what is written there becomes bundles in allocated
 * form, and bundles are written in the form the reader understands.
 * Source: http-api 3.3, semantics 4.11.
 */
import { ok, type Result } from "../../base/result.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import { Bundle } from "../../resources/bundle.ts";
import { formatResources } from "../../resources/format.ts";
import type { ResourceKinds } from "../../resources/kinds.ts";
import { isRefined, toEndpointFormat, toPreRefinement } from "../../resources/refinement.ts";
import { validateResources } from "../../resources/validate.ts";
import type { MasterContext } from "./context.ts";
import { type FrameworkEntry, isMultiRole } from "./state.ts";

/** As a framework reads them: refinement and allocation only when it knows of these. */
export function resourcesForFramework(framework: FrameworkEntry, bundle: Bundle): Resource[] {
  const form = framework.capabilities.has("RESERVATION_REFINEMENT");
  const isAllocationShown = isMultiRole(framework);
  const resources: Resource[] = [];
  for (const resource of bundle.toResources()) {
    if (!form && isRefined(resource)) continue;
    const written = form ? resource : toPreRefinement(resource);
    resources.push(isAllocationShown ? written : withoutAllocationInfo(written));
  }
  return resources;
}

/** As operators read them. */
export function endpointResources(bundle: Bundle): Resource[] {
  return bundle.toResources().map(toEndpointFormat);
}

/** Resources of one role; both forms may be kept by any number of holders, who never change them. */
export interface AllocatedResources {
  readonly bundle: Bundle;
  /** Post-refinement. */
  readonly messages: readonly Resource[];
}

/** What a framework asks for on an offer of `role`: allocation is filled in where it is absent. */
export function allocatedResources(
  ctx: MasterContext,
  resources: readonly Resource[],
  role: string,
): AllocatedResources {
  return ctx.shared.memoOf(`allocated ${role}`, resources, () => {
    const bundle = Bundle.from(ctx.kinds, resources).withAllocation(role);
    return { bundle, messages: bundle.toResources() };
  });
}

/**
 * What an agent says a framework holds; reports without allocation are of its first role. May be
 * kept by any number of holders, who never change it.
 */
export function reportedResources(
  ctx: MasterContext,
  resources: readonly Resource[],
  framework: FrameworkEntry,
): Bundle {
  const role = framework.roles[0] ?? "*";
  return ctx.shared.memoOf(`reported ${role}`, resources, () => {
    const allocated = resources.map((resource) =>
      resource.allocation_info?.role === undefined
        ? { ...resource, allocation_info: { role } }
        : resource,
    );
    return Bundle.from(ctx.kinds, allocated);
  });
}

/** As `reportedResources`, allocated to nobody. Refusal: `invalid`. */
export function heldResources(ctx: MasterContext, resources: readonly Resource[]): Result<Bundle> {
  return ctx.shared.memoOf("held", resources, () => {
    const valid = validateResources(resources, "resources");
    return valid.ok ? ok(resourceBundle(ctx.kinds, resources)) : valid;
  });
}

/** What an agent has, allocated to nobody. */
export function resourceBundle(kinds: ResourceKinds, resources: readonly Resource[]): Bundle {
  return Bundle.from(kinds, resources).withoutAllocation();
}

/** The sum of bundles, allocated to nobody, each shared volume once: what is taken of an agent. */
export function takenTogether(kinds: ResourceKinds, bundles: Iterable<Bundle>): Bundle {
  const sum = emptyBundle(kinds);
  for (const bundle of bundles) {
    const taken = bundle.withoutAllocation();
    if (!taken.has(({ isShared }) => isShared)) sum.add(taken);
    else for (const part of partsToAdd(sum, taken)) sum.add(part);
  }
  return sum;
}

function* partsToAdd(sum: Bundle, bundle: Bundle): Generator<Bundle> {
  yield bundle.filter((kind) => !kind.isShared);
  const present = new Set(sum.presentKinds());
  for (const kind of bundle.presentKinds()) {
    if (!kind.isShared || present.has(kind)) continue;
    const [copy] = bundle.filter((other) => other === kind).toResources();
    if (copy !== undefined) yield Bundle.from(sum.kinds, [copy]);
  }
}

export function emptyBundle(kinds: ResourceKinds): Bundle {
  return Bundle.empty(kinds);
}

/** The first fault of resources as they came in, in words. */
export function faultOfResources(resources: readonly Resource[]): string | undefined {
  const checked = validateResources(resources, "resources");
  return checked.ok ? undefined : checked.error.message;
}

/** For messages to people. */
export function printResources(bundle: Bundle): string {
  return formatResources(bundle.toResources());
}

function withoutAllocationInfo(resource: Resource): Resource {
  const { allocation_info: _, ...rest } = resource;
  return rest;
}
