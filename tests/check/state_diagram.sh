#!/bin/sh
# README.md must show the table of core/run.c as it is.
# Usage: state_diagram.sh SOURCE_ROOT STATE_DIAGRAM_PROGRAM
shown=$(sed -n '/^```mermaid$/,/^```$/p' "$1/README.md" | sed '1d;$d')
drawn=$("$2") || exit 1
[ "$shown" = "$drawn" ] && exit 0
echo "README.md shows another diagram than core/run.c has; this is the present one:"
echo "$drawn"
exit 1
