#include "tools/syncctl/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* The command line: finds the command's word among the flags, reads the flags
 * by that command's table, and runs it. */

static const struct command *const commands[] = {
    &command_info,
    &command_queue,
    &command_list,
    &command_show,
    &command_watch,
    &command_pause,
    &command_resume,
    &command_cancel,
    &command_retry,
    &command_purge,
    &command_syncs,
    &command_unschedule,
    &command_reset_watermark,
    &command_audit,
    &command_orgs,
    &command_drain,
    &command_backup,
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const struct setting of_all[] = { OPTIONS_OF_ALL };

static void print_help(FILE *out)
{
    fputs("syncctl: queues, watches and controls synchronisation jobs\n"
          "\n"
          "usage: syncctl [FLAG]... COMMAND [OPERAND | FLAG]...\n"
          "\n"
          "Commands\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-16s%-10s%s\n", commands[i]->name, commands[i]->operands,
                commands[i]->summary);
    fputs("\nFlags of every command; syncctl COMMAND --help lists the others\n", out);
    settings_help(out, of_all, OPTION_OWN);
    fputs("\n"
          "Exit status\n"
          "  0 done                       4 the present state does not allow it\n"
          "  1 the server could not       5 no server, or no answer in time\n"
          "  2 wrong use, wrong request   6 --wait: the job failed or was cancelled\n"
          "  3 there is no such thing\n",
          out);
}

static void print_command_help(const struct command *command)
{
    printf("usage: syncctl %s %s [FLAG]...\n\n%s\n", command->name, command->operands,
           command->summary);
    if (command->help != NULL)
        printf("\n%s", command->help);
    if (command->setting_count > OPTION_OWN) {
        puts("\nFlags");
        settings_help(stdout, command->settings + OPTION_OWN, command->setting_count - OPTION_OWN);
    }
    puts("\nFlags of every command");
    settings_help(stdout, command->settings, OPTION_OWN);
}

/* The place of the command's word: the first that is neither a flag nor a
 * flag's value. argc if there is none. */
static int find_word(int argc, char **argv)
{
    int at = 1;

    while (at < argc && argv[at][0] == '-') {
        bool takes_next;

        settings_find_flag(of_all, OPTION_OWN, argv[at], &takes_next);
        at += takes_next ? 2 : 1;
    }
    return at < argc ? at : argc;
}

static const struct command *find_command(const char *word)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i]->name, word) == 0)
            return commands[i];
    return NULL;
}

static enum exit_status run_connected(const struct command *command, struct settings *settings)
{
    struct session session;
    struct why why = { .text = "" };
    enum exit_status status;

    if (session_open(&session, settings, &why) == OK)
        status = command->run(&session);
    else
        status = session_wrong_use("%s", why.text);
    session_close(&session);
    return status;
}

static enum exit_status check_and_run(const struct command *command, struct settings *settings)
{
    size_t operands = settings_operand_count(settings);
    const char *org = settings_text(settings, OPTION_ORG);

    if (operands < command->operands_least || operands > command->operands_most)
        return session_wrong_use("usage: syncctl %s %s; see syncctl %s --help", command->name,
                                 command->operands, command->name);
    if (!command->without_org && (org == NULL || *org == '\0'))
        return session_wrong_use("which organisation? Give --org ORG or set SYNC_ORG");
    return run_connected(command, settings);
}

static enum exit_status run_command(const struct command *command, int argc, char **argv)
{
    struct settings *settings = settings_new(command->settings, command->setting_count);
    struct why why = { .text = "" };
    enum exit_status status = EXIT_DONE;
    enum err e;

    if (settings == NULL)
        return session_wrong_use("out of memory");
    e = settings_read(settings, argc, argv, &why);
    if (settings_switch(settings, OPTION_HELP))
        print_command_help(command);
    else if (e != OK)
        status = session_wrong_use("%s", why.text);
    else
        status = check_and_run(command, settings);
    settings_free(settings);
    return status;
}

static enum exit_status run_without_command(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(stdout);
            return EXIT_DONE;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("syncctl " SYNC_VERSION);
            return EXIT_DONE;
        }
    }
    print_help(stderr);
    return EXIT_WRONG_USE;
}

int main(int argc, char **argv)
{
    int word = find_word(argc, argv);
    const struct command *command;

    signal(SIGPIPE, SIG_IGN);
    if (word == argc)
        return run_without_command(argc, argv);
    if (strcmp(argv[word], "help") == 0) {
        print_help(stdout);
        return EXIT_DONE;
    }
    command = find_command(argv[word]);
    if (command == NULL)
        return session_wrong_use("there is no command \"%s\"; syncctl --help lists them",
                                 argv[word]);
    memmove(argv + word, argv + word + 1, sizeof *argv * (size_t)(argc - word));
    return run_command(command, argc - 1, argv);
}
