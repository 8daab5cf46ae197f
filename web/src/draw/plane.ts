/** plane: a rectangle of logarithms on a rectangle of device pixels. Pure. */

export type Extent = readonly [number, number];

export class Plane {
    constructor(
        /** Of log10 x and log10 y. */
        readonly x: Extent,
        readonly y: Extent,
        readonly left: number,
        readonly top: number,
        readonly width: number,
        readonly height: number,
    ) {}

    /** Device pixels of the canvas. */
    toX(log: number): number {
        return this.left + ((log - this.x[0]) / (this.x[1] - this.x[0])) * this.width;
    }

    toY(log: number): number {
        return this.top + (1 - (log - this.y[0]) / (this.y[1] - this.y[0])) * this.height;
    }

    /** The same place and scale? */
    key(): string {
        return [...this.x, ...this.y, this.width, this.height].join();
    }

    /** Draw inside it only. */
    clipped(ctx: CanvasRenderingContext2D, draw: () => void): void {
        ctx.save();
        ctx.beginPath();
        ctx.rect(this.left, this.top, this.width, this.height);
        ctx.clip();
        draw();
        ctx.restore();
    }
}

/** An extent with air around it; a small one is made wide enough to have ticks. */
export function aired([lo, hi]: Extent): Extent {
    if (!(hi >= lo)) {
        return [-1, 1];
    }
    const span = Math.max(hi - lo, 0.3);
    const middle = (lo + hi) / 2;
    return [middle - span * 0.54, middle + span * 0.54];
}
