/** A task that listens on the port it is told, which nobody gave it. */
import { createServer } from "node:net";
import process from "node:process";

createServer().listen(Number(process.argv[2]), "127.0.0.1");
