/** An image cannot be had or used; `message` is fit for a task status. */
import { ContainerizerError } from "../containerizer/containerizer.ts";

export class ImageError extends ContainerizerError {
  override readonly name: string = "ImageError";
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
