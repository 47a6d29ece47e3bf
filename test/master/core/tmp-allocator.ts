import type { Allocation, Allocator, AllocatorFramework, AllocatorOptions } from "../../../src/allocator/allocator.ts";
import { assert, must } from "../../../src/base/assert.ts";
import { Bundle } from "../../../src/resources/bundle.ts";
import type { ResourceKinds } from "../../../src/resources/kinds.ts";
type F = { f: AllocatorFramework; active: boolean; suppressed: Set<string>; count: number };
type A = { total: Bundle; active: boolean; used: Map<string, Bundle> };
export class DrfAllocator implements Allocator {
  fs = new Map<string, F>(); as = new Map<string, A>(); filters: { f: string; a: string; role: string; r: Bundle; until: number }[] = [];
  dirty = false; kinds: ResourceKinds; o: AllocatorOptions;
  constructor(k: ResourceKinds, o: AllocatorOptions) { this.kinds = k; this.o = o; }
  addFramework(id: any, f: any, used: any, active: any) { assert(!this.fs.has(id), "f"); this.fs.set(id, { f, active, suppressed: new Set(f.suppressedRoles), count: 0 }); this.dirty = true; }
  updateFramework(id: any, f: any) { const x = must(this.fs.get(id), "f"); x.f = f; x.suppressed = new Set(f.suppressedRoles); this.dirty = true; }
  removeFramework(id: any) { assert(this.fs.delete(id), "rf"); for (const a of this.as.values()) a.used.delete(id); this.filters = this.filters.filter((x) => x.f !== id); this.dirty = true; }
  activateFramework(id: any) { must(this.fs.get(id), "f").active = true; this.dirty = true; }
  deactivateFramework(id: any) { must(this.fs.get(id), "f").active = false; this.filters = this.filters.filter((x) => x.f !== id); }
  addAgent(id: any, _i: any, total: Bundle, used: any) { assert(!this.as.has(id), "a"); this.as.set(id, { total, active: true, used: new Map(used) }); this.dirty = true; }
  updateAgent(id: any, _i: any, total: Bundle) { must(this.as.get(id), "a").total = total; this.dirty = true; }
  removeAgent(id: any) { assert(this.as.delete(id), "ra"); this.filters = this.filters.filter((x) => x.a !== id); }
  activateAgent(id: any) { must(this.as.get(id), "a").active = true; this.dirty = true; }
  deactivateAgent(id: any) { must(this.as.get(id), "a").active = false; }
  suppress(id: any, roles: any) { const x = must(this.fs.get(id), "f"); for (const r of roles.length ? roles : x.f.roles) x.suppressed.add(r); }
  revive(id: any, roles: any) { const x = must(this.fs.get(id), "f"); const rs = roles.length ? roles : x.f.roles; for (const r of rs) x.suppressed.delete(r); this.filters = this.filters.filter((y) => y.f !== id || !rs.includes(y.role)); this.dirty = true; }
  recover(f: any, a: any, r: Bundle, refuseMs: number, now: number) {
    const x = must(this.as.get(a), "ra"); const u = must(x.used.get(f), "used"); u.subtract(r); if (u.isEmpty()) x.used.delete(f);
    if (refuseMs > 0) for (const role of r.allocationRoles()) this.filters.push({ f, a, role, r: r.withoutAllocation(), until: now + Math.max(refuseMs, this.o.allocationIntervalMs) });
    this.dirty = true;
  }
  addUsed() {}
  isDirty() { return this.dirty; }
  nextWakeMs() { return this.filters.reduce((m, x) => Math.min(m, x.until), Infinity); }
  allocate(now: number): Allocation[] {
    this.dirty = false; this.filters = this.filters.filter((x) => x.until > now); const out: Allocation[] = [];
    for (const [a, x] of this.as) { if (!x.active) continue;
      for (const [f, y] of [...this.fs].sort((p, q) => p[1].count - q[1].count)) { if (!y.active) continue;
        for (const role of y.f.roles) { if (y.suppressed.has(role)) continue;
          const free = x.total.clone(); for (const u of x.used.values()) free.subtract(u.withoutAllocation());
          if (free.scalarMilli("cpus") < 10 && free.scalarMilli("mem") < 32000) continue;
          if (this.filters.some((z) => z.f === f && z.a === a && z.role === role && z.r.contains(free))) continue;
          const r = free.withAllocation(role); const u = x.used.get(f); if (u) u.add(r); else x.used.set(f, r.clone());
          y.count++; out.push({ frameworkId: f, agentId: a, role, resources: r } as Allocation);
        } } }
    return out;
  }
  assertInvariants() {}
  usedSum() { return Bundle.empty(this.kinds); }
}
