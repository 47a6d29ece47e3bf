/** The fetch helper alone, which from source starts many times faster than the whole program. */
import process from "node:process";
import { runFetchHelper } from "../../src/fetcher/helper/helper.ts";
import { systemClock } from "../../src/platform/system.ts";

process.exit(
  await runFetchHelper({ clock: systemClock, enter: (folder) => process.chdir(folder) }),
);
