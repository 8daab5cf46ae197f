/* finding.c: the thread that checks. */
#include "care/finding.h"

#include <stdarg.h>
#include <stdio.h>

#define FINDING_NAME(id, name) name,
static const char *const names[FINDING_KINDS] = { FINDINGS(FINDING_NAME) };

const char *finding_name(enum finding_kind kind)
{
    return names[kind];
}

/* What SQLite says of a damaged file may be anything; a finding is one line. */
static void keep_to_a_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = ' ';
        }
    }
}

void findings_add(struct findings *findings, enum finding_kind kind,
    const struct finding_stream *stream, uint64_t first_seq, uint64_t last_seq,
    const char *format, ...)
{
    struct finding finding = {
        .kind = kind, .first_seq = first_seq, .last_seq = last_seq
    };
    if (stream != NULL) {
        finding.stream = *stream;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(finding.text, sizeof finding.text, format, args);
    va_end(args);
    keep_to_a_line(finding.text);
    findings->n++;
    findings->found(findings->context, &finding);
}
