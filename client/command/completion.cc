#include "client/command/completion.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"

namespace watchword {
namespace {

// As one word of bash or zsh, whatever it holds.
std::string Quote(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"'", "'\\''"}}), "'");
}

std::string FishQuote(absl::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

// What all commands' options have in common, whichever command they belong to.
struct Options {
  std::set<std::string> with_value, with_file;
  std::vector<CommandOption> with_choices;
};

Options Sort(const std::vector<CommandInfo>& commands) {
  Options sorted;
  for (const CommandInfo& command : commands) {
    for (const CommandOption& option : command.options) {
      if (option.value.empty()) continue;
      sorted.with_value.insert(option.name);
      if (option.takes_file()) sorted.with_file.insert(option.name);
      if (!option.choices().empty()) sorted.with_choices.push_back(option);
    }
  }
  return sorted;
}

// As a pattern of `case` in bash and zsh: what may follow the path of each command but the program itself.
std::string PathPatterns(const std::vector<CommandInfo>& commands) {
  std::vector<std::string> patterns;
  for (const CommandInfo& command : commands) {
    if (!command.path.empty()) patterns.push_back(Quote(absl::StrCat(" ", command.path)));
  }
  return absl::StrJoin(patterns, "|");
}

// The value of `case $command` for a command: empty for the program itself.
std::string PathPattern(const CommandInfo& command) {
  return Quote(command.path.empty() ? "" : absl::StrCat(" ", command.path));
}

const CommandInfo* Find(const std::vector<CommandInfo>& commands, const std::string& path) {
  for (const CommandInfo& command : commands) {
    if (command.path == path) return &command;
  }
  return nullptr;
}

std::string DescriptionOf(const std::vector<CommandInfo>& commands, const CommandInfo& parent,
                          const std::string& subcommand) {
  const std::string path = parent.path.empty() ? subcommand : absl::StrCat(parent.path, " ", subcommand);
  const CommandInfo* found = Find(commands, path);
  return found == nullptr ? "" : found->description;
}

// Subcommands and choices of arguments.
std::vector<std::string> WordsOf(const CommandInfo& command) {
  std::vector<std::string> words = command.subcommands;
  for (const CommandOption& argument : command.arguments) {
    for (const std::string& choice : argument.choices()) words.push_back(choice);
  }
  return words;
}

// For _describe: "name:description".
std::string ZshEntry(absl::string_view name, absl::string_view description) {
  return Quote(absl::StrCat(absl::StrReplaceAll(name, {{":", "\\:"}}), ":", description));
}

std::string ZshOptions(const CommandInfo& command) {
  return absl::StrJoin(command.options, " ", [](std::string* out, const CommandOption& option) {
    out->append(ZshEntry(option.name, option.description));
  });
}

std::string FishOption(const std::string& name, const CommandInfo& command, const CommandOption& option) {
  std::string line = absl::StrCat("complete -c ", name);
  if (!command.path.empty()) absl::StrAppend(&line, " -n ", FishQuote(absl::StrCat("__watchword_is ", command.path)));
  absl::StrAppend(&line, option.name.rfind("--", 0) == 0 ? absl::StrCat(" -l ", option.name.substr(2))
                                                         : absl::StrCat(" -s ", option.name.substr(1)));
  if (option.takes_file()) {
    line += " -r -F";
  } else if (!option.value.empty()) {
    line += " -x";
  }
  if (const auto choices = option.choices(); !choices.empty()) {
    absl::StrAppend(&line, " -a ", FishQuote(absl::StrJoin(choices, " ")));
  }
  return absl::StrCat(line, " -d ", FishQuote(option.description), "\n");
}

}  // namespace

std::string BashCompletion(const std::string& name, const std::vector<CommandInfo>& commands) {
  const Options options = Sort(commands);
  const std::string with_value = absl::StrJoin(options.with_value, "|");
  std::string script = absl::StrCat(
      "# bash completion of ", name, "\n_watchword() {\n",
      "  local current=${COMP_WORDS[COMP_CWORD]} command='' words='' word i\n",
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n    word=${COMP_WORDS[i]}\n    case $word in\n      ", with_value,
      ") ((++i)) ;;\n      -*) ;;\n      *) case \"$command $word\" in ", PathPatterns(commands),
      ") command+=\" $word\" ;; esac ;;\n    esac\n  done\n  COMPREPLY=()\n  case ${COMP_WORDS[COMP_CWORD-1]} in\n    ",
      absl::StrJoin(options.with_file, "|"),
      ") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n");
  for (const CommandOption& option : options.with_choices) {
    absl::StrAppend(&script, "    ", option.name, ") mapfile -t COMPREPLY < <(compgen -W ",
                    Quote(absl::StrJoin(option.choices(), " ")), " -- \"$current\"); return ;;\n");
  }
  absl::StrAppend(&script, "    ", with_value, ") return ;;\n  esac\n  case $command in\n");
  const auto add_option = [](std::string* out, const CommandOption& option) { out->append(option.name); };
  for (const CommandInfo& command : commands) {
    std::vector<std::string> words = WordsOf(command);
    if (!command.path.empty() && !command.options.empty()) {
      words.push_back(absl::StrJoin(command.options, " ", add_option));
    }
    absl::StrAppend(&script, "    ", PathPattern(command), ") words=", Quote(absl::StrJoin(words, " ")), " ;;\n");
  }
  absl::StrAppend(&script, "  esac\n  if [[ $current == -* || -z $words ]]; then words+=",
                  Quote(absl::StrCat(" ", absl::StrJoin(commands.front().options, " ", add_option))),
                  "; fi\n  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n}\n",
                  "complete -F _watchword ", name, "\n");
  return script;
}

std::string ZshCompletion(const std::string& name, const std::vector<CommandInfo>& commands) {
  const Options options = Sort(commands);
  const std::string with_value = absl::StrJoin(options.with_value, "|");
  std::string script = absl::StrCat(
      "#compdef ", name, "\n_watchword() {\n  local command='' word i\n  local -a found given\n",
      "  for ((i = 2; i < CURRENT; ++i)); do\n    word=${words[i]}\n    case $word in\n      (", with_value,
      ") ((++i)) ;;\n      (-*) ;;\n      (*) case \"$command $word\" in (", PathPatterns(commands),
      ") command+=\" $word\" ;; esac ;;\n    esac\n  done\n  case ${words[CURRENT-1]} in\n    (",
      absl::StrJoin(options.with_file, "|"), ") _files; return ;;\n");
  for (const CommandOption& option : options.with_choices) {
    absl::StrAppend(&script, "    (", option.name, ") compadd ", absl::StrJoin(option.choices(), " "), "; return ;;\n");
  }
  absl::StrAppend(&script, "    (", with_value, ") return ;;\n  esac\n  case $command in\n");
  for (const CommandInfo& command : commands) {
    const auto add_word = [&](std::string* out, const std::string& word) {
      out->append(ZshEntry(word, DescriptionOf(commands, command, word)));
    };
    absl::StrAppend(&script, "    (", PathPattern(command), ") found=(", absl::StrJoin(WordsOf(command), " ", add_word),
                    ") given=(", command.path.empty() ? "" : ZshOptions(command), ") ;;\n");
  }
  absl::StrAppend(
      &script, "  esac\n  given+=(", ZshOptions(commands.front()),
      ")\n  (( $#found )) && _describe -t commands command found\n", "  _describe -o -t options option given\n}\n",
      "if [[ ${funcstack[1]} == _watchword ]]; then _watchword \"$@\"; else compdef _watchword ", name, "; fi\n");
  return script;
}

std::string FishCompletion(const std::string& name, const std::vector<CommandInfo>& commands) {
  std::vector<std::string> paths;
  for (const CommandInfo& command : commands) {
    if (!command.path.empty()) paths.push_back(FishQuote(command.path));
  }
  std::string script = absl::StrCat(
      "# fish completion of ", name, "\nfunction __watchword_is\n  set -l command\n  set -l skip 0\n",
      "  for word in (commandline -opc)[2..-1]\n    if test $skip = 1\n      set skip 0\n      continue\n    end\n",
      "    switch $word\n      case ", absl::StrJoin(Sort(commands).with_value, " "),
      "\n        set skip 1\n      case '-*'\n      case '*'\n        contains -- (string join ' ' $command $word) ",
      absl::StrJoin(paths, " "), "; and set -a command $word\n    end\n  end\n  test \"$command\" = \"$argv\"\nend\n",
      "complete -c ", name, " -f\n");
  for (const CommandInfo& command : commands) {
    const std::string here = FishQuote(absl::StrCat("__watchword_is ", command.path));
    for (const std::string& word : WordsOf(command)) {
      absl::StrAppend(&script, "complete -c ", name, " -n ", here, " -a ", FishQuote(word), " -d ",
                      FishQuote(DescriptionOf(commands, command, word)), "\n");
    }
    for (const CommandOption& option : command.options) script += FishOption(name, command, option);
  }
  return script;
}

}  // namespace watchword
