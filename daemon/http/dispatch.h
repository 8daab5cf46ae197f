/* dispatch: libmicrohttpd's callbacks: from bytes to a route and a reply. */
#ifndef TRAJD_DISPATCH_H
#define TRAJD_DISPATCH_H

#include <microhttpd.h>
#include <stddef.h>

/* cls of all three: struct http_context. */

/* MHD_OPTION_URI_LOG_CALLBACK: makes the request; sees the target as sent,
 * before libmicrohttpd decodes it. */
void *dispatch_target(
    void *cls, const char *target, struct MHD_Connection *connection);

/* The access handler. */
enum MHD_Result dispatch_handle(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_bytes, void **state);

/* MHD_OPTION_NOTIFY_COMPLETED: ends the request. */
void dispatch_completed(void *cls, struct MHD_Connection *connection,
    void **state, enum MHD_RequestTerminationCode code);

#endif
