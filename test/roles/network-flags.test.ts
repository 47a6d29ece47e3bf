/** Which networks an agent's flags come to. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AGENT_FLAGS } from "../../src/cli/flags/agent-flags.ts";
import { parseFlags } from "../../src/cli/flags/parse-flags.ts";
import { networkFlags } from "../../src/roles/network-flags.ts";

const log = { write: () => undefined };

function read(
  argv: readonly string[],
  launcher: "linux" | "posix" = "linux",
): ReturnType<typeof networkFlags> {
  const flags = parseFlags(
    { flags: AGENT_FLAGS, environment: [], isConfigRead: false, areArgumentsAllowed: false },
    { argv, environment: {}, readFile: () => ({ ok: true, value: "" }) },
  );
  if (!flags.ok) throw new Error(flags.error.message);
  return networkFlags({ flags: flags.value, log }, launcher, new Set(["cgroups/pids"]));
}

test("networks need both folders, which are there, and a launcher that can join them [flags.md]", () => {
  const folder = mkdtempSync(join(tmpdir(), "allot-flags-"));
  const [config, plugins] = [
    `--network_cni_config_dir=${folder}`,
    `--network_cni_plugins_dir=${folder}:/usr`,
  ] as const;
  expect(read([])).toMatchObject({ ok: true, value: { settings: { configDir: undefined } } });
  expect(read([config])).toMatchObject({ ok: false, error: { field: "network_cni_plugins_dir" } });
  expect(read([plugins])).toMatchObject({ ok: false, error: { field: "network_cni_config_dir" } });
  const posix = read([config, plugins], "posix");
  expect(posix.ok ? "" : posix.error.message).toContain("needs the linux launcher");
  const absent = read([config, "--network_cni_plugins_dir=/no/such"]);
  expect(absent.ok ? "" : absent.error.message).toBe(
    "--network_cni_plugins_dir: the folder /no/such does not exist",
  );
  const persistent = "--network_cni_root_dir_persist";
  expect(read([config, plugins, persistent])).toMatchObject({
    ok: true,
    value: {
      settings: { configDir: folder, pluginDirs: [folder, "/usr"], isPersistent: true },
      isolation: new Set(["cgroups/pids", "network/cni"]),
    },
  });
  rmSync(folder, { recursive: true });
});
