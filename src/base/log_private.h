/* The form of a line, apart from where lines go. */
#pragma once
#include "base/log.h"

#define LOG_LINE_MAX 4096 /* with its newline; a write of so much to a pipe is atomic */

/* Writes one line, newline included, and returns its length. What does not fit is cut, the line
 * stays well-formed and ends with cut=true. wall: us since 1970. */
size_t log_format_line(char out[LOG_LINE_MAX], enum log_format format, int64_t wall,
    enum log_level level, const char *event, const struct log_field *fields, size_t n);
const char *log_level_name(enum log_level level);
