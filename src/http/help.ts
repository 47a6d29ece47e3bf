/** The page at `/help`: every endpoint with its methods and meaning, for people and for `curl`. */
import { textResponse } from "./responses.ts";

/** An endpoint as the page lists it. */
interface Listed {
  readonly path: string;
  readonly methods?: readonly string[];
  readonly help: string;
}

/** The whole list, or below `/help/ACTOR/PATH` what begins with that path. 404 when nothing does. */
export function helpPage(actor: string, endpoints: readonly Listed[], path: string): Response {
  const wanted = wantedPath(actor, path);
  const rows = endpoints.filter((endpoint) => endpoint.path.startsWith(wanted));
  if (rows.length === 0)
    return textResponse(404, `No endpoint is called ${wanted.slice(0, 100)}\n`);
  const sorted = [...rows].sort((a, b) => (a.path < b.path ? -1 : 1));
  const body = sorted.map((endpoint) => row(actor, endpoint)).join("\n");
  return new Response(page(actor, body), {
    headers: { "Content-Type": "text/html; charset=utf-8" },
  });
}

function wantedPath(actor: string, path: string): string {
  const rest = decode(path.replace(/^\/help\/?/, ""));
  const withoutActor = rest === actor ? "" : rest.replace(`${actor}/`, "");
  return `/${withoutActor}`;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function row(actor: string, { path, methods, help }: Listed): string {
  const link = `<a href="/help/${escapeHtml(encodeURIComponent(actor))}${escapeHtml(path)}">${escapeHtml(path)}</a>`;
  const cells = [link, escapeHtml(methods?.join(", ") ?? "any"), escapeHtml(help)];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`;
}

function page(actor: string, rows: string): string {
  const title = `Endpoints of ${escapeHtml(actor)}`;
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title}</title></head>
<body>
<h1>${title}</h1>
<p>Every path may begin with /${escapeHtml(actor)}. What answers in JSON takes jsonp=NAME.</p>
<table>
<tr><th>path</th><th>methods</th><th>what it is for</th></tr>
${rows}
</table>
</body>
</html>
`;
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
