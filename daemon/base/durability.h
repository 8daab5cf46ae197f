/* durability: what an acknowledgement promises: a setting of the daemon. */
#ifndef TRAJD_DURABILITY_H
#define TRAJD_DURABILITY_H

enum durability {
    /* What has come is committed at once and on disk when it is acknowledged.
     */
    DURABILITY_COMMIT,
    /* The same, but the writer first waits a moment for more of it, which
     * saves syncs where one takes long. */
    DURABILITY_GROUP,
    /* Acknowledged when it is with the operating system, and on disk a second
     * later: a power cut may cost that much. */
    DURABILITY_RELAXED,
};

#endif
