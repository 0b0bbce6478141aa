import { spawn } from "node:child_process";

const ALLOWED = new Set(["docker", "git"]);

/** Starts one of the allowed programs with these arguments, without a shell, and waits for it. */
export function start(name: string, args: string[], signal?: AbortSignal): Promise<string> {
  if (!ALLOWED.has(name)) {
    return Promise.reject(new Error(`${name} is not on the list of programs this tool may start`));
  }
  return new Promise((resolve, reject) => {
    const child = spawn(name, args, { shell: false, signal, stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString("utf8")));
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve(output) : reject(new Error(`${name} ended with ${code}`))));
  });
}
