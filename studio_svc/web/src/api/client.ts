/** Single questions to the API; what the page shows by itself comes by the link. */

/** What of the browser is needed, so that tests can give another. */
export type Fetch = (
  path: string,
  options: { method: string; headers: Record<string, string>; body?: string },
) => Promise<{ ok: boolean; status: number; json: () => Promise<unknown> }>;

const browser: Fetch = (path, options) => fetch(path, options);

/** Why a question came to nothing; status 0: nobody answered. */
export class RefusalError extends Error {
  constructor(
    reason: string,
    readonly status: number,
  ) {
    super(reason);
  }
}

/** Return what the API answers; an error's message is the reason that it gives. */
export function ask<Answer>(path: string, world: Fetch = browser): Promise<Answer> {
  return call<Answer>(path, { method: "GET", headers: { accept: "application/json" } }, world);
}

/** Ask for a change; an error's message is the reason of the refusal. Null has no body. */
export function send<Answer>(
  path: string,
  content: unknown,
  world: Fetch = browser,
  method: "POST" | "PUT" | "DELETE" = "POST",
): Promise<Answer> {
  const headers = { accept: "application/json", "content-type": "application/json" };
  const body = content === null ? {} : { body: JSON.stringify(content) };
  return call<Answer>(path, { method, headers, ...body }, world);
}

async function call<Answer>(path: string, options: Parameters<Fetch>[1], world: Fetch): Promise<Answer> {
  let answer;
  try {
    answer = await world(`/api/${path}`, options);
  } catch {
    throw new RefusalError("The server does not answer; try again in a moment.", 0);
  }
  if (answer.ok) return (await answer.json()) as Answer;
  const said = await answer.json().catch(() => null);
  throw new RefusalError(detail(said) ?? `The server answered with status ${answer.status}.`, answer.status);
}

function detail(said: unknown): string | null {
  if (typeof said !== "object" || said === null || !("detail" in said)) return null;
  return typeof said.detail === "string" ? said.detail : null;
}
