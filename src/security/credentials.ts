/**
 * Credentials files: who may log in with which secret. JSON or one `principal secret` a line. No
 * message ever repeats a secret. Source: reference/semantics.md 9.1.
 */
import { ok, type Result, refuse } from "../base/result.ts";

/** A principal with its secret. */
export interface Credential {
  readonly principal: string;
  readonly secret: string;
}

const LIST_FORM = '{"credentials": [{"principal": "NAME", "secret": "SECRET"}]}';
const SINGLE_FORM = '{"principal": "NAME", "secret": "SECRET"}';

/**
 * The content of a `--credentials` file. Refusals: `invalid`, with the path of the faulty field or
 * the number of the faulty line.
 */
export function parseCredentials(text: string): Result<readonly Credential[]> {
  const list = isJson(text) ? readJsonList(text) : readLines(text);
  if (!list.ok) return list;
  const seen = new Set<string>();
  for (const { principal } of list.value) {
    if (seen.has(principal)) {
      return refuse("invalid", `the principal '${principal}' has two secrets; keep one`);
    }
    seen.add(principal);
  }
  return list;
}

/** The content of a `--credential` file, which holds one. Refusals: `invalid`. */
export function parseCredential(text: string): Result<Credential> {
  if (isJson(text)) {
    const value = parseJson(text);
    if (value === undefined) return refuse("invalid", `it is not valid JSON; write ${SINGLE_FORM}`);
    return readCredential("", value);
  }
  const lines = readLines(text);
  if (!lines.ok) return lines;
  const [only] = lines.value;
  if (only !== undefined && lines.value.length === 1) return ok(only);
  return refuse("invalid", `it does not hold one credential; write ${SINGLE_FORM}`);
}

/** What somebody types who has no JSON in mind does not begin with a brace. */
function isJson(text: string): boolean {
  return text.trimStart().startsWith("{");
}

function readJsonList(text: string): Result<readonly Credential[]> {
  const value = parseJson(text);
  if (value === undefined) return refuse("invalid", `it is not valid JSON; write ${LIST_FORM}`);
  const fields = value as Readonly<Record<string, unknown>>;
  const { credentials } = fields;
  if (!Array.isArray(credentials)) {
    return refuse("invalid", `'credentials' is not a list; write ${LIST_FORM}`, "credentials");
  }
  const list: Credential[] = [];
  for (const [index, item] of (credentials as unknown[]).entries()) {
    const credential = readCredential(`credentials[${index}]`, item);
    if (!credential.ok) return credential;
    list.push(credential.value);
  }
  return ok(list);
}

/** The parser's own reason is left out: it may quote the text around the fault. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function readCredential(field: string, item: unknown): Result<Credential> {
  if (typeof item !== "object" || item === null) {
    return refuse("invalid", `'${field}' is not ${SINGLE_FORM}`, field);
  }
  const { principal, secret } = item as Readonly<Record<string, unknown>>;
  const at = (name: string): string => (field === "" ? name : `${field}.${name}`);
  for (const [name, value] of Object.entries({ principal, secret })) {
    if (typeof value === "string" && value !== "") continue;
    return refuse("invalid", `'${at(name)}' is not a text of at least one character`, at(name));
  }
  return checked(at("principal"), { principal, secret } as Credential);
}

function readLines(text: string): Result<readonly Credential[]> {
  const list: Credential[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const [principal, secret, ...more] = line.split(/[ \t\r]+/).filter((word) => word !== "");
    if (principal === undefined) continue;
    const place = `line ${index + 1}`;
    if (secret === undefined || more.length > 0) {
      return refuse("invalid", `${place} is not 'PRINCIPAL SECRET'`, place);
    }
    const credential = checked(place, { principal, secret });
    if (!credential.ok) return credential;
    list.push(credential.value);
  }
  return ok(list);
}

/** Basic authentication sends `principal:secret`, so that such a principal could never log in. */
function checked(place: string, credential: Credential): Result<Credential> {
  if (!credential.principal.includes(":")) return ok(credential);
  return refuse("invalid", `the principal in '${place}' has a colon, which cannot be sent`, place);
}
