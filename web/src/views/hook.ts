/** hook: what to do when there is no run yet: the hook in C, and where it sends to. */

import { get } from "../api/client";
import { h } from "../dom";

const HOOK = `traj_run *run = NULL;
traj_watch *watch = NULL;
struct traj_watch_options what = { .size = sizeof what, .dtype = TRAJ_F32,
    .n = n, .param = param, .grad = grad, .gradient = gradient_again };
int failed = traj_open(NULL, &run) || traj_watch_open(run, &what, &watch);

/* each step, with step, loss, lr and clip_threshold set in s */
failed |= traj_before_update(watch, &s);
clip_and_update(param, grad);
failed |= traj_after_update(watch, &s);`;

export function hookHelp(): HTMLElement {
    const endpoint = h("code", {}, `tcp://${location.hostname}:7011`);
    void ingestEndpoint().then((text) => {
        if (text !== null) {
            endpoint.textContent = text;
        }
    });
    return h(
        "section",
        { class: "hook", "aria-label": "How to record a run" },
        h("h2", {}, "No runs yet"),
        h(
            "p",
            {},
            "A run appears here with its first record. This daemon takes records at ",
            endpoint,
            ".",
        ),
        h(
            "p",
            {},
            "In a trainer written in C (gradient_again computes the gradient of the same batch once more):",
        ),
        h(
            "pre",
            { tabindex: 0, role: "region", "aria-label": "The hook in C" },
            h("code", {}, HOOK),
        ),
        h(
            "p",
            {},
            "Build with ",
            h("code", {}, "cc … $(pkg-config --cflags --libs traj)"),
            ". To see a real trainer at work: ",
            h("code", {}, "make demo"),
            ".",
        ),
    );
}

async function ingestEndpoint(): Promise<string | null> {
    try {
        const { ingest } = await get<{ ingest: string }>("/api/v1/self");
        return ingest === "" ? null : ingest;
    } catch {
        return null; // the default is shown
    }
}
