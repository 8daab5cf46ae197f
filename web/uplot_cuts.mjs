// What the page does not use of uPlot: axes of dates, and paths other than
// lines. uPlot's own build leaves such things out by flags, but npm has the
// whole only, and a bundler cannot see that nobody calls what hangs on an
// object. A twentieth of the page's script goes with them.
import { readFile } from "node:fs/promises";

/** Each is there, or uPlot is another version than these were made for. */
const CUTS = [
    ["const [ timeIncrsMs, _timeAxisStampsMs, timeAxisSplitsMs ] = genTimeStuffs(1);", ""],
    ["const [ timeIncrsS,  _timeAxisStampsS,  timeAxisSplitsS  ] = genTimeStuffs(1e-3);", ""],
    ["const _tzDate  = (opts.tzDate || (ts => new Date(round(ts / ms))));", ""],
    ["const _fmtDate = (opts.fmtDate || fmtDate);", ""],
    ["const _timeAxisSplits = (ms == 1 ? timeAxisSplitsMs(_tzDate) : timeAxisSplitsS(_tzDate));", ""],
    [
        "const _timeAxisVals   = timeAxisVals(_tzDate, timeAxisStamps((ms == 1 ? _timeAxisStampsMs : _timeAxisStampsS), _fmtDate));",
        "",
    ],
    ["const _timeSeriesVal  = timeSeriesVal(_tzDate, timeSeriesStamp(_timeSeriesStamp, _fmtDate));", ""],
    ["let isTime = mode == 1 && scales[s.scale].time;", ""],
    ["let isTime = sc.time;", ""],
    ["isTime", "false"],
    ["uPlot.join = join;", ""],
    ["uPlot.fmtDate = fmtDate;", ""],
    ["uPlot.tzDate  = tzDate;", ""],
    ["(paths.stepped = stepped);", ""],
    ["(paths.bars    = bars);", ""],
    ["(paths.spline  = monotoneCubic);", ""],
];

/** A plugin of esbuild. */
export const uplotCuts = {
    name: "uplot-cuts",
    setup(build) {
        build.onLoad({ filter: /uPlot\.esm\.js$/ }, async ({ path }) => {
            let contents = await readFile(path, "utf8");
            for (const [from, to] of CUTS) {
                if (!contents.includes(from)) {
                    throw new Error(`uplot_cuts.mjs: not in this version of uPlot: ${from}`);
                }
                contents = contents.replaceAll(from, to);
            }
            return { contents };
        });
    },
};
