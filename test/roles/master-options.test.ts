/** A master's flags as settings: each is read, and each mistake names its flag. */
import { describe, expect, test } from "bun:test";
import { type Result, refuse } from "../../src/base/result.ts";
import { readRoleFlags } from "../../src/cli/flags/role-table.ts";
import type { MasterOptions } from "../../src/master/core/master-options.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { CODEC_LIMITS } from "../../src/protocol/limits.ts";
import { masterOptions } from "../../src/roles/master-options.ts";
import { domainFlag } from "../../src/roles/policy-flags.ts";

const codec = createCodec(CODEC_LIMITS);

function optionsOf(...argv: readonly string[]): Result<Omit<MasterOptions, "info">> {
  const flags = readRoleFlags({
    argv: ["--role=master", ...argv],
    environment: { HOME: "/home-of/me" },
    isRoot: false,
    readFile: (path) => refuse("notFound", `there is no file ${path}`),
  });
  if (!flags.ok) return flags;
  const domain = domainFlag(flags.value.flags, codec);
  return domain.ok ? masterOptions(flags.value.flags, codec) : domain;
}

function good(...argv: readonly string[]): Omit<MasterOptions, "info"> {
  const options = optionsOf(...argv);
  if (!options.ok) throw new Error(options.error.message);
  return options.value;
}

describe("settings of a master", () => {
  test("have Mesos' defaults", () => {
    expect(good()).toMatchObject({
      weights: new Map(),
      agentReregisterTimeoutMs: 600_000,
      recoveryAgentRemovalLimit: 1,
      agentRemovalIntervalMs: undefined,
      allocatorAgentRecoveryFactor: 0.8,
      allocatorRecoveryTimeoutMs: 600_000,
      isAgentDomainRequired: false,
      rateLimits: undefined,
      constraintRegexLimits: { memoryBytes: 4096, programSize: 100 },
    });
  });

  test("follow the flags", () => {
    expect(good("--weights=web=2, batch=0.5").weights).toEqual(
      new Map([
        ["web", 2],
        ["batch", 0.5],
      ]),
    );
    expect(good("--recovery_agent_removal_limit=12.5%").recoveryAgentRemovalLimit).toBe(0.125);
    expect(good("--agent_removal_rate_limit=2/10mins").agentRemovalIntervalMs).toBe(300_000);
    const limits = {
      limits: [{ principal: "p", qps: 4, capacity: 10 }, { principal: "free" }],
      aggregate_default_qps: 2,
    };
    expect(good(`--rate_limits=${JSON.stringify(limits)}`).rateLimits).toEqual({
      byPrincipal: new Map([
        ["p", { intervalMs: 250, capacity: 10 }],
        ["free", { intervalMs: undefined, capacity: undefined }],
      ]),
      aggregate: { intervalMs: 500, capacity: undefined },
    });
  });

  test.each([
    "--weights=web",
    "--weights=web=0",
    "--weights=web=1,web=2",
    "--weights=/web=1",
    "--recovery_agent_removal_limit=50",
    "--recovery_agent_removal_limit=101%",
    "--agent_removal_rate_limit=0/1mins",
    "--agent_removal_rate_limit=5",
    "--agent_reregister_timeout=9mins",
    "--allocator_agent_recovery_factor=1.5",
    '--rate_limits={"limits":[{"qps":1}]}',
    '--rate_limits={"limits":[{"principal":"p","qps":0}]}',
    '--rate_limits={"limits":[{"principal":"p"},{"principal":"p"}]}',
    '--domain={"fault_domain":{"region":{"name":"r"}}}',
    "--domain={}",
  ])("%s is refused by name", (argument) => {
    const options = optionsOf(argument);
    const name = /^--(\w+)/.exec(argument)?.[1] ?? "";
    expect(options.ok ? "" : options.error.message).toContain(name);
  });
});
