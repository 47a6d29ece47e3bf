/** An HTTP face that hears everybody, for tests and benchmarks that are about something else. */
import { Authentication } from "../../src/http/authentication.ts";

export const HEARS_EVERYBODY: Authentication = new Authentication({
  component: "master",
  credentials: [],
  realms: new Set(),
});
