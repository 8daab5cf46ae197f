/** hook: what to do when there is no run yet: the hook in C, and where it sends to. */

import { get } from "../api/client";
import { h } from "../dom";

const HOOK = `#include <traj.h>

traj_run *run = NULL;
traj_watch *watch = NULL;
struct traj_options options = TRAJ_OPTIONS_INIT;
struct traj_watch_options what = TRAJ_WATCH_INIT;
what.dtype = TRAJ_F32, what.n = n, what.param = param, what.grad = grad;
what.gradient = gradient_on_the_same_batch, what.context = &model;
int ok = traj_open(&options, &run) == TRAJ_OK &&
         traj_watch_open(run, &what, &watch) == TRAJ_OK;

/* each step, with struct traj_step s: loss, lr, clip_threshold set */
ok = ok && traj_before_update(watch, &s) == TRAJ_OK;
update(param, grad);
ok = ok && traj_after_update(watch, &s) == TRAJ_OK;`;

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
        h("p", {}, "A run appears here with its first record. This daemon takes records at ", endpoint, "."),
        h("p", {}, "In a trainer written in C:"),
        h("pre", { tabindex: 0, role: "region", "aria-label": "The hook in C" }, h("code", {}, HOOK)),
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
        const self = await get<{ data?: { ingest_endpoint?: string }; ingest_endpoint?: string }>("/api/v1/self");
        return self.ingest_endpoint ?? self.data?.ingest_endpoint ?? null;
    } catch {
        return null; // the default is shown
    }
}
