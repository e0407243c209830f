/* A tree of files that strangers may have made: no symbolic link below its root is followed, only
 * folders and regular files are opened. */
#pragma once
#include "port/folder.h"
#include <sys/stat.h>

#define TREE_DEPTH 64

/* Folders and files below a root by their path ("" is the root itself). -1: errno (ELOOP: a link;
 * EFTYPE is told as EINVAL: no regular file). */
int tree_open_folder(int root, const char *path);
int tree_open_file(int folder, const char *name, struct stat *st);
/* Is there a folder of this name? */
bool tree_has_folder(int folder, const char *name);

/* Names in a folder, sorted by bytes, without "." and ".."; free with tree_names_free. */
struct tree_names {
    char **names;
    size_t n;
};
bool tree_names(int folder, struct tree_names *names);
void tree_names_free(struct tree_names *names);
