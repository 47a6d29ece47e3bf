/** An agent reduced to one pull, to be killed by tests. Arguments: store, registry, image. */
import process from "node:process";
import { ImagePuller } from "../../src/images/image-puller.ts";
import { ImageStore } from "../../src/images/image-store.ts";
import { systemClock } from "../../src/platform/system.ts";
import { ARCHITECTURE } from "./image-builder.ts";
import { IMAGE_HELPER } from "./image-scene.ts";

const [folder = "", registry = "", image = ""] = process.argv.slice(2);
const puller = new ImagePuller({
  store: new ImageStore(folder),
  helper: IMAGE_HELPER,
  registry,
  dockerConfig: undefined,
  platform: { os: "linux", architecture: ARCHITECTURE },
  stallTimeoutMs: 30_000,
  clock: systemClock,
  log: { write: () => undefined },
});
await puller.ensure(
  { image, isCached: true, dockerConfig: undefined },
  new AbortController().signal,
);
