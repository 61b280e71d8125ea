/* SPDX-License-Identifier: MIT */
/*
 * Cuts the command line into words and finds each in the table of options. Reached by boot/; calls cmdline_values.c;
 * no lock.
 */
#include "image/cmdline.h"

#include "lib/string.h"

/* One word, unquoted. */
struct word {
	char text[CMDLINE_WORD_MAX];
	size_t len;
	bool is_too_long;
	bool has_open_quote;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void word_put(struct word *word, char c)
{
	if (word->len >= sizeof(word->text) - 1) {
		word->is_too_long = true;
		return;
	}
	word->text[word->len++] = c;
}

/* Returns what is behind the word, or NULL at the end of the line. */
static const char *word_next(const char *line, struct word *word)
{
	char quote = '\0';

	*word = (struct word){.len = 0};
	while (is_blank(*line))
		line++;
	if (!*line)
		return NULL;
	for (; *line && (quote || !is_blank(*line)); line++) {
		if (*line == '\\' && (line[1] == '"' || line[1] == '\'' || line[1] == '\\'))
			word_put(word, *++line);
		else if (quote && *line == quote)
			quote = '\0';
		else if (!quote && (*line == '"' || *line == '\''))
			quote = *line;
		else
			word_put(word, *line);
	}
	word->has_open_quote = quote != '\0';
	word->text[word->len] = '\0';
	return line;
}

static bool name_is(const char *name, const char *text, size_t len)
{
	return strlen(name) == len && memcmp(name, text, len) == 0;
}

static const struct option_spec *spec_find(const struct option_spec *specs, unsigned int spec_count,
					   const char *name, size_t len)
{
	for (unsigned int i = 0; i < spec_count; i++)
		if (name_is(specs[i].name, name, len))
			return &specs[i];
	return NULL;
}

static bool uint_set(unsigned int *value, const char *text)
{
	u64 number;

	if (!cmdline_number(text, &number) || number > ~0u)
		return false;
	*value = (unsigned int)number;
	return true;
}

static bool value_set(const struct option_spec *spec, const char *text)
{
	switch (spec->type) {
	case OPTION_BOOL:
		return cmdline_bool(text, spec->value);
	case OPTION_UINT:
		return uint_set(spec->value, text);
	case OPTION_SIZE:
		return cmdline_size(text, spec->value);
	case OPTION_ENUM:
		return cmdline_enum(text, spec->names, spec->value);
	case OPTION_CUSTOM:
		return spec->parse(spec->value, text);
	}
	return false;
}

/* Apply one word. NULL: understood; else what is wrong with it. */
static const char *word_apply(const char *word, const struct option_spec *specs,
			      unsigned int spec_count)
{
	const char *equals = strchr(word, '=');
	size_t name_len = equals ? (size_t)(equals - word) : strlen(word);
	const struct option_spec *spec = spec_find(specs, spec_count, word, name_len);
	const char *text = equals ? equals + 1 : NULL;

	if (!spec && !equals && strncmp(word, "no-", 3) == 0) {
		spec = spec_find(specs, spec_count, word + 3, name_len - 3);
		if (spec && spec->type != OPTION_BOOL && spec->type != OPTION_CUSTOM)
			return "cannot be negated";
		text = "no";
	}
	if (!spec)
		return "unknown option";
	if (!text && spec->type != OPTION_BOOL && spec->type != OPTION_CUSTOM)
		return "needs a value";
	if (!text)
		text = spec->type == OPTION_BOOL ? "yes" : "";
	return value_set(spec, text) ? NULL : "bad value";
}

/* What cannot be printed shall not reach a terminal. */
static void word_make_printable(struct word *word)
{
	for (size_t i = 0; i < word->len; i++)
		if (word->text[i] < ' ' || word->text[i] > '~')
			word->text[i] = '?';
}

const char *cmdline_parse(const char *line, const struct option_spec *specs,
			  unsigned int spec_count, cmdline_report_fn *report)
{
	struct word word;

	while ((line = word_next(line, &word)) != NULL) {
		const char *problem;

		if (strcmp(word.text, "--") == 0) {
			while (is_blank(*line))
				line++;
			return line;
		}
		if (word.len == 0 || strcmp(word.text, "placeholder") == 0)
			continue;
		problem = word.is_too_long ? "word too long"
					   : word_apply(word.text, specs, spec_count);
		if (!problem && word.has_open_quote)
			problem = "quote not closed";
		if (!problem)
			continue;
		word_make_printable(&word);
		report(problem, word.text);
	}
	return "";
}
