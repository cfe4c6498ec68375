/* SPDX-License-Identifier: MIT */
/*
 * ixctl completion: a script for a shell, made of the verbs' tables. It is written for bash and for zsh's bashcompinit at once;
 * names of guests it asks ixd for, when they are wanted.
 */
#include "hostctl/ixctl/ask.h"
#include "hostctl/ixctl/ixctl.h"
#include "hostctl/ixctl/verb.h"
#include <stdio.h>
#include <string.h>

static const char head[] =
	"_ixctl() {\n"
	"\tlocal cur=\"${COMP_WORDS[COMP_CWORD]}\" prev=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
	"\tlocal verb=\"${COMP_WORDS[1]}\" first=2 options= valued= kinds= kind= pair= plain=0 i=0 skip=0\n"
	"\tCOMPREPLY=()\n";

static const char tail[] =
	"\t*) return ;;\n"
	"\tesac\n"
	"\tif [[ $COMP_CWORD -lt $first ]]; then return; fi\n"
	"\tfor (( i = first; i < COMP_CWORD; i++ )); do\n"
	"\t\tif [[ $skip == 1 ]]; then skip=0; continue; fi\n"
	"\t\tcase \"${COMP_WORDS[i]}\" in\n"
	"\t\t--) return ;;\n"
	"\t\t-*) for pair in $valued; do if [[ \"${pair%%:*}\" == \"${COMP_WORDS[i]}\" ]]; then skip=1; fi; done ;;\n"
	"\t\t*) plain=$(( plain + 1 )) ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\tif [[ $skip == 1 ]]; then\n"
	"\t\tfor pair in $valued; do if [[ \"${pair%%:*}\" == \"$prev\" ]]; then kind=\"${pair#*:}\"; fi; done\n"
	"\telif [[ \"$cur\" == -* ]]; then\n"
	"\t\tCOMPREPLY=( $(compgen -W \"$options --help\" -- \"$cur\") )\n"
	"\t\treturn\n"
	"\telse\n"
	"\t\tfor pair in $kinds; do if [[ $plain == 0 ]]; then kind=\"$pair\"; fi; plain=$(( plain - 1 )); done\n"
	"\tfi\n"
	"\tcase \"$kind\" in\n"
	"\tguest) COMPREPLY=( $(compgen -W \"$(\"${COMP_WORDS[0]}\" completion guests 2>/dev/null)\" -- \"$cur\") ) "
	";;\n"
	"\tfile)\n" /* bashcompinit's own way knows the current folder only */
	"\t\tfor pair in \"$cur\"*; do if [[ -e \"$pair\" ]]; then COMPREPLY+=( \"$pair\" ); fi; done\n"
	"\t\tcompopt -o filenames 2>/dev/null ;;\n"
	"\tother | '') ;;\n"
	"\t*) COMPREPLY=( $(compgen -W \"${kind//,/ }\" -- \"$cur\") ) ;;\n"
	"\tesac\n"
	"}\n"
	"complete -F _ixctl ixctl\n";

/* "auto|kvm|tcg" as "auto,kvm,tcg"; of "tap=IF" what is always the same. */
static void put_choices(const char *text)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "|");

		for (size_t i = 0; i < n && !(text[i] >= 'A' && text[i] <= 'Z'); i++)
			putchar(text[i]);
		text += n + (text[n] == '|');
		if (*text != '\0')
			putchar(',');
	}
}

static void put_kind(enum verb_word word, const char *choices)
{
	if (word == WORD_CHOICE)
		put_choices(choices);
	else
		fputs(word == WORD_GUEST ? "guest" : word == WORD_FILE ? "file" : "other", stdout);
}

/* One branch of the case. */
static void put_verb(const struct verb *v)
{
	const struct verb_option none = VERB_OPTIONS_END, *options = v->options != NULL ? v->options : &none;

	printf("\t'%s') first=%d options='", v->name, strchr(v->name, ' ') != NULL ? 3 : 2);
	for (unsigned i = 0; options[i].name != NULL; i++)
		printf("%s--%s", i > 0 ? " " : "", options[i].name);
	fputs("' valued='", stdout);
	for (unsigned i = 0; options[i].name != NULL; i++) {
		if (options[i].value == NULL)
			continue;
		printf("%s--%s:", i > 0 ? " " : "", options[i].name);
		put_kind(options[i].word, options[i].value);
		if (options[i].letter == '\0')
			continue;
		printf(" -%c:", options[i].letter);
		put_kind(options[i].word, options[i].value);
	}
	fputs("' kinds='", stdout);
	put_kind(v->word[0], v->words);
	putchar(' ');
	put_kind(v->word[1], v->words);
	puts("' ;;");
}

/* Whether an earlier verb has the same first word. */
static bool is_again(unsigned index)
{
	const char *name = verb_at(index)->name;
	size_t n = strcspn(name, " ");

	for (unsigned i = 0; i < index; i++)
		if (strncmp(verb_at(i)->name, name, n) == 0 && strcspn(verb_at(i)->name, " ") == n)
			return true;
	return false;
}

/* First words, and behind each that has some the second ones. */
static void put_verbs(void)
{
	const struct verb *v;

	fputs("\tif [[ $COMP_CWORD == 1 ]]; then\n\t\tCOMPREPLY=( $(compgen -W '", stdout);
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++)
		if (!is_again(i))
			printf("%.*s ", (int)strcspn(v->name, " "), v->name);
	puts("--help --version' -- \"$cur\") )\n\t\treturn\n\tfi");
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++) {
		int n = (int)strcspn(v->name, " ");

		if (v->name[n] == '\0' || is_again(i))
			continue;
		printf("\tif [[ \"$verb\" == '%.*s' ]]; then\n\t\tverb=\"$verb ${COMP_WORDS[2]}\"\n"
		       "\t\tif [[ $COMP_CWORD == 2 ]]; then COMPREPLY=( $(compgen -W '",
		       n, v->name);
		for (unsigned k = i; verb_at(k) != NULL; k++)
			if (strncmp(verb_at(k)->name, v->name, (size_t)n + 1) == 0)
				printf("%s%s", k > i ? " " : "", verb_at(k)->name + n + 1);
		puts("' -- \"$cur\") ); return; fi\n\tfi");
	}
}

static void put_script(const char *shell)
{
	bool is_zsh = strcmp(shell, "zsh") == 0;
	const struct verb *v;

	printf("# %s completion of ixctl: source <(ixctl completion %s)\n", shell, shell);
	if (is_zsh)
		puts("autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit");
	fputs(head, stdout);
	put_verbs();
	puts("\tcase \"$verb\" in");
	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++)
		put_verb(v);
	fputs(tail, stdout);
}

static int put_name(void *arg, const json_t *row)
{
	(void)arg;
	puts(ask_text(row, "name"));
	return 0;
}

static int put_guests(struct err *err)
{
	struct client c = { .request = ask_request("ps", NULL), .on_row = put_name };
	int result = client_ask(&c, err);

	json_decref(c.result);
	return result;
}

static int run(int argc, char **argv, struct err *err)
{
	struct words words = { argc, argv, NULL, NULL, 0 };
	const char *what;
	int result = verb_options(&verb_completion, &words, err);

	if (result != 0)
		return result > 0 ? STATUS_OK : -1;
	what = argc - words.first == 1 ? argv[words.first] : "";
	if (strcmp(what, "guests") == 0)
		return put_guests(err);
	if (strcmp(what, "bash") != 0 && strcmp(what, "zsh") != 0)
		return err_set(err, STATUS_USAGE, "completion: say bash or zsh");
	put_script(what);
	return 0;
}

const struct verb verb_completion = {
	.name = "completion",
	.words = "bash|zsh",
	.summary = "a script that completes these words",
	.about = "Prints a script for bash or zsh that completes commands, options, files and the names of guests, for "
		 "which it "
		 "asks ixd.",
	.examples = "source <(ixctl completion bash)\nixctl completion bash > /etc/bash_completion.d/ixctl\n",
	.word = { WORD_CHOICE },
	.run = run,
};
