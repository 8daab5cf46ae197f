/* error: where the text of a failure goes; shared with the mathematics. */
#include "../error.h"
