#ifndef TESTS_WORKER_FOLDER_H
#define TESTS_WORKER_FOLDER_H

#include <stddef.h>

/* A folder of its own for each test, under $TMPDIR or /tmp. */

enum { FOLDER_PATH_SIZE = 512 };

/* Fills `path` with a new, empty folder's. */
void folder_make(char path[FOLDER_PATH_SIZE]);
/* Removes it with all that is in it. */
void folder_remove(const char *path);

/* Writes DIR/NAME with that mode, making folders in NAME as needed. */
void folder_write(const char *dir, const char *name, const char *text, unsigned mode);
/* Gives the text of DIR/NAME (free() it), NULL if there is none. */
char *folder_read(const char *dir, const char *name);

#endif
