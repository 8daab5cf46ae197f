/* report.c: the thread that checks; owns nothing. */
#include "care/report.h"

#include <inttypes.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#define PROGRESS_NS (NS_PER_S / 4)

void report_init(struct report *report, enum report_form form, const char *path)
{
    *report = (struct report){ .out = stdout,
        .form = form,
        .path = path,
        .shows_progress = isatty(STDERR_FILENO) == 1 };
}

static void clear_progress(const struct report *report)
{
    if (report->shows_progress) {
        (void)fputs("\r\033[K", stderr);
    }
}

static void print(const struct report *report, struct buf *line)
{
    buf_char(line, '\n');
    if (!line->failed) {
        (void)fwrite(line->p, 1, line->n, report->out);
        (void)fflush(report->out);
    }
    buf_done(line);
}

static void finding_text(struct buf *line, const struct finding *f)
{
    char uid[4 * RUN_UID_MAX];
    buf_text(line, finding_name(f->kind));
    if (f->stream.run_uid[0] != '\0') {
        buf_printf(
            line, " run=%s", log_quoted(uid, sizeof uid, f->stream.run_uid));
    }
    if (f->stream.attempt > 0) {
        buf_printf(line, " attempt=%" PRIu32 " rank=%" PRIu32,
            f->stream.attempt, f->stream.rank);
    }
    if (f->first_seq > 0) {
        buf_printf(line, " seq=%" PRIu64 "-", f->first_seq);
        if (f->last_seq > 0) {
            buf_u64(line, f->last_seq);
        }
    }
    buf_printf(line, ": %s", f->text);
}

static void finding_json(struct buf *line, const struct finding *f)
{
    buf_printf(line, "{\"finding\":\"%s\",\"run\":", finding_name(f->kind));
    if (f->stream.run_uid[0] == '\0') {
        buf_text(line, "null");
    } else {
        buf_json_text(line, str_of(f->stream.run_uid));
    }
    buf_text(line, ",\"attempt\":");
    bool has_stream = f->stream.attempt > 0;
    has_stream ? buf_u64(line, f->stream.attempt) : buf_text(line, "null");
    buf_text(line, ",\"rank\":");
    has_stream ? buf_u64(line, f->stream.rank) : buf_text(line, "null");
    buf_text(line, ",\"first_seq\":");
    f->first_seq > 0 ? buf_json_u64(line, f->first_seq)
                     : buf_text(line, "null");
    buf_text(line, ",\"last_seq\":");
    f->last_seq > 0 ? buf_json_u64(line, f->last_seq) : buf_text(line, "null");
    buf_text(line, ",\"text\":");
    buf_json_text(line, str_of(f->text));
    buf_char(line, '}');
}

void report_finding(void *context, const struct finding *finding)
{
    const struct report *report = context;
    struct buf line = { 0 };
    clear_progress(report);
    if (report->form == REPORT_JSON) {
        finding_json(&line, finding);
    } else {
        finding_text(&line, finding);
    }
    print(report, &line);
}

void report_progress(void *context, const struct check_counts *counts)
{
    struct report *report = context;
    if (!report->shows_progress ||
        clock_mono_ns() - report->told_ns < PROGRESS_NS) {
        return;
    }
    report->told_ns = clock_mono_ns();
    (void)fprintf(stderr,
        "\r\033[Kchecking: %" PRIu64 " streams, %" PRIu64 " chunks, %" PRIu64
        " records",
        counts->streams, counts->chunks, counts->records);
    (void)fflush(stderr);
}

void report_end(struct report *report, const struct check_counts *counts)
{
    struct buf line = { 0 };
    clear_progress(report);
    if (report->form == REPORT_JSON) {
        buf_printf(&line,
            "{\"checked\":{\"runs\":%" PRIu64 ",\"streams\":%" PRIu64
            ",\"chunks\":%" PRIu64 ",\"records\":%" PRIu64
            ",\"thinned_records\":%" PRIu64 ",\"old_version\":%" PRIu64
            ",\"findings\":%" PRIu64 "}}",
            counts->runs, counts->streams, counts->chunks, counts->records,
            counts->thinned_records, counts->old_version, counts->findings);
    } else {
        buf_printf(&line,
            "%s: %" PRIu64 " runs, %" PRIu64 " streams, %" PRIu64
            " chunks, %" PRIu64 " records: ",
            report->path, counts->runs, counts->streams, counts->chunks,
            counts->records);
        if (counts->old_version > 0) {
            buf_printf(&line,
                "version %" PRIu64
                ", only its structure was looked at (start trajd on it once): ",
                counts->old_version);
        }
        if (counts->findings == 0) {
            buf_text(&line, "whole");
        } else {
            buf_printf(&line, "%" PRIu64 " findings", counts->findings);
        }
    }
    print(report, &line);
}
