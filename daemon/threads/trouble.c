/* trouble.c: owns nothing; its struct lies in the writer. */
#include "threads/trouble.h"

#include <stddef.h>

#include "base/counters.h"
#include "base/log.h"

void trouble_begin(struct trouble *trouble, const struct err *e)
{
    char text[sizeof e->text];
    (void)pthread_mutex_lock(&trouble->lock);
    bool begins = !trouble->is;
    trouble->is = true;
    trouble->err = *e;
    (void)pthread_mutex_unlock(&trouble->lock);
    gauge_set(GAUGE_COMMITS_FAIL, 1);
    if (begins) {
        log_line(LOG_ERROR, "writer",
            "event=commits_fail error=%s answer=busy until=they_succeed",
            log_quoted(text, sizeof text, e->text));
    }
}

void trouble_end(struct trouble *trouble)
{
    (void)pthread_mutex_lock(&trouble->lock);
    bool ends = trouble->is;
    trouble->is = false;
    (void)pthread_mutex_unlock(&trouble->lock);
    if (ends) {
        gauge_set(GAUGE_COMMITS_FAIL, 0);
        log_line(LOG_INFO, "writer", "event=commits_succeed_again");
    }
}

bool trouble_is(struct trouble *trouble, struct err *e)
{
    (void)pthread_mutex_lock(&trouble->lock);
    bool is = trouble->is;
    if (is && e != NULL) {
        *e = trouble->err;
    }
    (void)pthread_mutex_unlock(&trouble->lock);
    return is;
}
