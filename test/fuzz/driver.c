/* Runs a fuzz target over the files of folders and over files, so that seeds and old findings are
 * part of every test run. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 0;
    }
    uint8_t *data = malloc(16 * 1024 * 1024);
    size_t n = data ? fread(data, 1, 16 * 1024 * 1024, f) : 0;
    fclose(f);
    /* An exact copy, so that a sanitizer sees a read past the end. */
    uint8_t *exact = malloc(n ? n : 1);
    for (size_t i = 0; exact && i < n; i++)
        exact[i] = data[i];
    free(data);
    if (exact)
        LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 1;
}

static int replay_folder(const char *path)
{
    int count = 0;
    DIR *dir = opendir(path);
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char file[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        count += replay_file(file);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0)
            count += S_ISDIR(st.st_mode) ? replay_folder(argv[i]) : replay_file(argv[i]);
    }
    printf("%d inputs replayed\n", count);
    return count ? 0 : 1;
}
