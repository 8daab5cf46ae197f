/** client: requests to the daemon that served this page. */

import type { Problem } from "./types";

export class ApiError extends Error {
    constructor(
        readonly status: number,
        message: string,
    ) {
        super(message);
    }
}

async function problemOf(reply: Response): Promise<ApiError> {
    let said = reply.statusText;
    try {
        const problem = (await reply.json()) as Partial<Problem>;
        said = problem.detail ?? problem.title ?? said;
    } catch {
        // A reply that is no JSON has nothing to add to its status line.
    }
    return new ApiError(reply.status, said || `status ${reply.status}`);
}

/** GET path?query; ApiError for a refusal, TypeError when nobody answers. */
export async function get<T>(
    path: string,
    query: Record<string, string | number | null | undefined> = {},
    signal?: AbortSignal,
): Promise<T> {
    const reply = await fetch(address(path, query), {
        headers: { Accept: "application/json" },
        ...(signal ? { signal } : {}),
    });
    if (!reply.ok) {
        throw await problemOf(reply);
    }
    return (await reply.json()) as T;
}

export function address(
    path: string,
    query: Record<string, string | number | null | undefined> = {},
): string {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== "") {
            words.set(key, String(value));
        }
    }
    const text = words.toString();
    return text === "" ? path : `${path}?${text}`;
}

export function runPath(id: string): string {
    return `/api/v1/runs/${encodeURIComponent(id)}`;
}

export function isAbort(error: unknown): boolean {
    return error instanceof DOMException && error.name === "AbortError";
}
