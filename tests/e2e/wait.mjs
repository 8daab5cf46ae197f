// wait.mjs: until a condition holds, or a deadline.
export async function until(what, condition, ms = 15_000) {
    const end = Date.now() + ms;
    for (;;) {
        const value = await condition();
        if (value) {
            return value;
        }
        if (Date.now() > end) {
            throw new Error(`not within ${ms} ms: ${what}`);
        }
        await new Promise((done) => setTimeout(done, 25));
    }
}
