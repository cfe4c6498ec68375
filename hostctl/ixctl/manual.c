/* SPDX-License-Identifier: MIT */
/* Manual pages [man(7)], a file a verb and one about all, from the tables that --help is made of. The build writes them. */
#include "hostctl/ixctl/manual.h"
#include "hostctl/base/blob.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A page that grows. */
struct page {
	FILE *to;
	char *text;
	size_t bytes;
};

static void begin_page(struct page *p)
{
	p->text = NULL;
	p->to = open_memstream(&p->text, &p->bytes);
	if (p->to == NULL)
		abort();
}

static int write_page(struct page *p, const char *folder, const char *name, struct err *err)
{
	struct blob b;
	char *path;
	int result;

	if (fclose(p->to) != 0 || asprintf(&path, "%s/%s.1", folder, name) < 0)
		abort();
	b = (struct blob){ (uint8_t *)p->text, p->bytes, p->bytes };
	result = blob_write(&b, path, err);
	free(path);
	free(p->text);
	return result;
}

/* @text as it is: what roff would obey is escaped; words in `back quotes` are bold, with @is_prose. */
static void put(FILE *to, const char *text, bool is_prose)
{
	bool is_start = true, is_bold = false;

	for (; *text != '\0'; text++) {
		if (is_start && (*text == '.' || *text == '\''))
			fputs("\\&", to);
		is_start = *text == '\n';
		if (*text == '\\')
			fputs("\\e", to);
		else if (*text == '-')
			fputs("\\-", to);
		else if (*text == '\'')
			fputs("\\(aq", to);
		else if (*text == '`' && is_prose)
			fputs((is_bold = !is_bold) ? "\\fB" : "\\fR", to);
		else if (*text == '`')
			fputs("\\(ga", to);
		else
			fputc(*text, to);
	}
}

/* "ixctl-image-build" into @out. */
static const char *page_name(const struct verb *v, char out[64])
{
	snprintf(out, 64, "ixctl-%s", v->name);
	for (char *p = out; *p != '\0'; p++)
		*p = *p == ' ' ? '-' : *p;
	return out;
}

/* In capitals, as titles of pages are. */
static void put_title(FILE *to, const char *name)
{
	fputs(".TH \"", to);
	for (; *name != '\0'; name++) {
		if (*name == '-')
			fputc('\\', to);
		fputc(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name, to);
	}
	fprintf(to, "\" \"1\" \"\" \"IX %s\" \"IX\"\n", IXCTL_VERSION);
}

static void put_paragraphs(FILE *to, const char *text)
{
	while (*text != '\0') {
		const char *end = strstr(text, "\n\n");
		char *part = end != NULL ? strndup(text, (size_t)(end - text)) : strdup(text);

		if (part == NULL)
			abort();
		put(to, part, true);
		fputs(end != NULL ? "\n.PP\n" : "\n", to);
		free(part);
		text = end != NULL ? end + 2 : text + strlen(text);
	}
}

static void put_option(FILE *to, const struct verb_option *o)
{
	fputs(".TP\n", to);
	if (o->letter != '\0')
		fprintf(to, "\\fB\\-%c\\fR, ", o->letter);
	fputs("\\fB\\-\\-", to);
	put(to, o->name, false);
	fputs("\\fR", to);
	if (o->value != NULL) {
		fputs(" \\fI", to);
		put(to, o->value, false);
		fputs("\\fR", to);
	}
	fputc('\n', to);
	put(to, o->text, true);
	fputs(".\n", to);
}

static void put_options(FILE *to, const struct verb *v)
{
	static const struct verb_option help = { "help", 'h', NULL, WORD_OTHER, "what this page says, in short" };

	fputs(".SH OPTIONS\n", to);
	for (unsigned i = 0; v->options != NULL && v->options[i].name != NULL; i++)
		put_option(to, &v->options[i]);
	put_option(to, &help);
}

static void put_verbatim(FILE *to, const char *section, const char *text)
{
	fprintf(to, ".SH %s\n.nf\n", section);
	put(to, text, false);
	fputs(".fi\n", to);
}

static void put_verb(FILE *to, const struct verb *v)
{
	char name[64];

	put_title(to, page_name(v, name));
	fputs(".SH NAME\n", to);
	put(to, name, false);
	fputs(" \\- ", to);
	put(to, v->summary, true);
	fputs("\n.SH SYNOPSIS\n\\fBixctl ", to);
	put(to, v->name, false);
	fputs("\\fR [\\fIOPTION\\fR]... ", to);
	put(to, v->words, false);
	fputs("\n.SH DESCRIPTION\n", to);
	put_paragraphs(to, v->about);
	put_options(to, v);
	if (v->examples != NULL)
		put_verbatim(to, "EXAMPLES", v->examples);
	fputs(".SH \"EXIT STATUS\"\n0 if all went well; else one line on stderr says what did not, and\n.BR ixctl (1)\n"
	      "has the list.\n.SH \"SEE ALSO\"\n.BR ixctl (1)\n",
	      to);
}

static void put_all(FILE *to, const char *status)
{
	const struct verb *v;
	char name[64];

	put_title(to, "ixctl");
	fputs(".SH NAME\nixctl \\- build, inspect and run IX images, and keep them up on a host\n.SH SYNOPSIS\n"
	      "\\fBixctl\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIWORD\\fR]...\n.br\n\\fBixctl\\fR "
	      "\\fB\\-\\-version\\fR\n"
	      ".SH DESCRIPTION\nAn IX image is one file that is kernel, service and settings. Options may stand "
	      "anywhere; "
	      "those that take one may have their value behind an equals sign. Mistakes end as one line on stderr.\n"
	      ".SH COMMANDS\n",
	      to);
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++) {
		fputs(".TP\n.BR ", to);
		put(to, page_name(v, name), false);
		fputs(" (1)\n", to);
		put(to, v->summary, true);
		fputc('\n', to);
	}
	put_verbatim(to, "\"EXIT STATUS\"", status);
}

int manual_write(const char *folder, const char *status, struct err *err)
{
	const struct verb *v;
	struct page p;
	char name[64];
	int result;

	begin_page(&p);
	put_all(p.to, status);
	result = write_page(&p, folder, "ixctl", err);
	for (unsigned i = 0; result == 0 && (v = verb_at(i)) != NULL; i++) {
		begin_page(&p);
		put_verb(p.to, v);
		result = write_page(&p, folder, page_name(v, name), err);
	}
	return result;
}
