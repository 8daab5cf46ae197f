/** hook: what to do when there is no run yet: the hook in C, and where it sends to. */

import { get } from "../api/client";
import { h } from "../dom";

/** As client/examples/minimal.c, without its checks. */
const HOOK = `struct traj_watch_options options = TRAJ_WATCH_INIT;
options.dtype = TRAJ_F32;
options.n = n;
options.param = param;
options.grad = grad;
options.gradient = gradient; /* of the same batch, once more */
int failed = traj_open(NULL, &run) || traj_watch_open(run, &options, &watch);

/* each step, with step, loss, lr and clip_threshold set */
failed |= traj_before_update(watch, &step);
clip_and_update(param, grad);
failed |= traj_after_update(watch, &step);`;

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
        h("p", {}, "In a trainer written in C:"),
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
