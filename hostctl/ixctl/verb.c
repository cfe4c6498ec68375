/* SPDX-License-Identifier: MIT */
/* A verb's options by its table, and its help page from the same. */
#include "hostctl/ixctl/verb.h"
#include "hostctl/ixctl/ixctl.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 79u
#define INDENT 23u /* where the text of an option begins */
#define SHORTS_BYTES (2 * VERB_OPTIONS_MAX + 4)
#define FIRST_LONG 256

/* getopt's tables. */
struct tables {
	struct option longs[VERB_OPTIONS_MAX + 2];
	char shorts[SHORTS_BYTES];
};

static void make_tables(struct tables *t, const struct verb_option *options)
{
	size_t used = 0;
	unsigned n = 0;

	t->shorts[used++] = ':';
	for (; options != NULL && options[n].name != NULL && n < VERB_OPTIONS_MAX; n++) {
		const struct verb_option *o = &options[n];

		t->longs[n] = (struct option){ o->name, o->value != NULL ? required_argument : no_argument, NULL,
					       o->letter != '\0' ? o->letter : FIRST_LONG + (int)n };
		if (o->letter == '\0')
			continue;
		t->shorts[used++] = o->letter;
		if (o->value != NULL)
			t->shorts[used++] = ':';
	}
	t->shorts[used++] = 'h';
	t->shorts[used] = '\0';
	t->longs[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	t->longs[n] = (struct option){ 0 };
}

static const struct verb_option *find(const struct tables *t, const struct verb *v, int option)
{
	unsigned i = 0;

	while (t->longs[i].val != option)
		i++;
	return &v->options[i];
}

/* Each option to @take. Return: 0, 1 at --help, -1. */
static int take_all(const struct verb *v, const struct tables *t, struct words *w, struct err *err)
{
	int option;

	optind = 0; /* from the start, whoever has used it before [getopt(3)] */
	while ((option = option_next(w->argc, w->argv, t->shorts, t->longs, err)) > 0) {
		if (option == 'h')
			return 1;
		if (w->take(w->arg, find(t, v, option), optarg, err) != 0)
			return -1;
	}
	return option;
}

int verb_options(const struct verb *v, struct words *w, struct err *err)
{
	struct tables *t = calloc(1, sizeof(*t));
	int result;

	if (t == NULL)
		abort();
	make_tables(t, v->options);
	result = take_all(v, t, w, err);
	w->first = optind;
	free(t);
	if (result == 1)
		verb_page(v);
	return result;
}

int verb_take_flag(void *arg, const struct verb_option *option, char *value, struct err *err)
{
	bool *flag = arg;

	(void)option;
	(void)value;
	(void)err;
	*flag = true;
	return 0;
}

/* Words of @text in lines that begin in column @indent; the cursor stands in column @at. */
static void put_text(const char *text, unsigned indent, unsigned at)
{
	while (*text != '\0') {
		unsigned n = (unsigned)strcspn(text, " \n");
		unsigned ends = (unsigned)strspn(text + n, " \n");
		bool is_paragraph = strncmp(text + n, "\n\n", 2) == 0;

		if (at > indent && at + 1 + n > COLUMNS) {
			putchar('\n');
			at = 0;
		}
		if (at < indent)
			printf("%*s", (int)(indent - at), "");
		else if (at > indent)
			putchar(' ');
		at = (at < indent ? indent : at > indent ? at + 1 : at) + n;
		printf("%.*s", (int)n, text);
		if (is_paragraph) {
			fputs("\n\n", stdout);
			at = 0;
		}
		text += n + ends;
	}
	putchar('\n');
}

static void put_option(const struct verb_option *o)
{
	char head[96];
	int n;

	if (o->letter != '\0')
		n = snprintf(head, sizeof(head), "  -%c, --%s%s%s", o->letter, o->name, o->value != NULL ? " " : "",
			     o->value != NULL ? o->value : "");
	else
		n = snprintf(head, sizeof(head), "      --%s%s%s", o->name, o->value != NULL ? " " : "",
			     o->value != NULL ? o->value : "");
	fputs(head, stdout);
	if (n + 1 > (int)INDENT) {
		putchar('\n');
		n = 0;
	}
	put_text(o->text, INDENT, (unsigned)n);
}

void verb_page(const struct verb *v)
{
	bool has_options = v->options != NULL && v->options[0].name != NULL;

	printf("ixctl %s%s%s%s\n", v->name, has_options ? " [OPTION]..." : "", v->words[0] != '\0' ? " " : "",
	       v->words);
	put_text(v->about, 0, 0);
	if (has_options)
		putchar('\n');
	for (unsigned i = 0; has_options && v->options[i].name != NULL; i++)
		put_option(&v->options[i]);
	if (v->examples != NULL)
		printf("\nExamples\n");
	for (const char *line = v->examples; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
		printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}
