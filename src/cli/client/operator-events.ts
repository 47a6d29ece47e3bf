/** The operators' event stream as a client reads it. Source: reference/http-api.md 3.1, 3.4, 6.3. */
import { RecordDecoder } from "../../protocol/recordio.ts";
import type { MasterEvent } from "../../protocol/v1/types.ts";
import { ClientError } from "./client-error.ts";
import { CLIENT_CODEC_LIMITS, HEARTBEATS_MISSED_MAX } from "./limits.ts";
import type { MasterClient } from "./master-client.ts";

const HEARTBEAT_MS = 15_000;
const JSON_TYPE = "application/json";

/** Every event in order, heartbeats too. Errors: `ClientError`, also when the stream falls silent. */
export async function* operatorEvents(client: MasterClient): AsyncGenerator<MasterEvent> {
  const ending = new AbortController();
  const response = await client.request({
    method: "POST",
    path: "/api/v1",
    headers: { "Content-Type": JSON_TYPE, Accept: JSON_TYPE },
    body: client.codec.encode("mesos.v1.master.Call", JSON_TYPE, { type: "SUBSCRIBE" }),
    signal: ending.signal,
  });
  const records = new RecordDecoder(CLIENT_CODEC_LIMITS.bodyBytes);
  let timer = setTimeout(() => ending.abort(), HEARTBEAT_MS * HEARTBEATS_MISSED_MAX);
  try {
    for await (const chunk of client.stream(response)) {
      clearTimeout(timer);
      timer = setTimeout(() => ending.abort(), HEARTBEAT_MS * HEARTBEATS_MISSED_MAX);
      const pushed = records.push(chunk);
      if (!pushed.ok) throw new ClientError("badAnswer", pushed.error.message);
      for (const record of pushed.value) {
        const event = client.codec.decode("mesos.v1.master.Event", JSON_TYPE, record);
        if (!event.ok) throw new ClientError("badAnswer", event.error.message);
        yield event.value;
      }
    }
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
}
