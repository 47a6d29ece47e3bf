/**
 * Tells systemd that this process is ready (`Type=notify`). No JavaScript runtime sends Unix
 * datagrams, so systemd's own small program does it. Without a service manager nothing happens.
 */
import { spawn } from "node:child_process";
import process from "node:process";

/** `onFailure` gets the reason when systemd could not be told; it then ends this process by itself. */
export function notifyReady(onFailure: (reason: string) => void): void {
  if (process.env["NOTIFY_SOCKET"] === undefined) return;
  const child = spawn("systemd-notify", ["--ready"], { stdio: "ignore" });
  child.once("error", (error) => onFailure(error.message));
  child.once("exit", (code) => {
    if (code !== 0) onFailure(`systemd-notify ended with ${code}`);
  });
  // What is started from here on is none of the service manager's business.
  delete process.env["NOTIFY_SOCKET"];
}
