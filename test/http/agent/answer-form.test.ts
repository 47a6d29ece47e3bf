/** Which form an answer of the agent takes, by the headers of the request. */
import { expect, test } from "bun:test";
import { answerForm, streamHeaders } from "../../../src/http/agent/answer-form.ts";

const JSON_TYPE = "application/json";
const PROTOBUF = "application/x-protobuf";
const RECORD_IO = "application/recordio";

const form = (headers: Record<string, string>): unknown => {
  const outcome = answerForm(new Headers(headers));
  return outcome.ok ? streamHeaders(outcome.value) : outcome.error.code;
};

test("a plain type is taken before records, JSON before protobuf [http-api 2.1]", () => {
  expect(form({})).toEqual({ "Content-Type": JSON_TYPE });
  expect(form({ Accept: "*/*" })).toEqual({ "Content-Type": JSON_TYPE });
  expect(form({ Accept: PROTOBUF })).toEqual({ "Content-Type": PROTOBUF });
  expect(form({ Accept: `${RECORD_IO}, ${PROTOBUF}` })).toEqual({ "Content-Type": PROTOBUF });
});

test("records say of what they are, JSON unless asked [http-api 3.1]", () => {
  const records = (type: string): object => ({
    "Content-Type": RECORD_IO,
    "Message-Content-Type": type,
  });
  expect(form({ Accept: RECORD_IO })).toEqual(records(JSON_TYPE));
  expect(form({ Accept: RECORD_IO, "Message-Accept": PROTOBUF })).toEqual(records(PROTOBUF));
});

test("what cannot be given is not acceptable [http-api 2.3]", () => {
  expect(form({ Accept: "text/html" })).toBe("notAcceptable");
  expect(form({ Accept: JSON_TYPE, "Message-Accept": JSON_TYPE })).toBe("notAcceptable");
  expect(form({ Accept: RECORD_IO, "Message-Accept": "text/html" })).toBe("notAcceptable");
});
