/** The image helper alone, which from source starts many times faster than the whole program. */
import process from "node:process";
import { runImageHelper } from "../../src/images/helper/helper.ts";
import { systemClock } from "../../src/platform/system.ts";

process.exit(
  await runImageHelper({ clock: systemClock, enter: (folder) => process.chdir(folder) }),
);
