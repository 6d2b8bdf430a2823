"""The others, one file each: run as programs, in environments of their own. They import nothing of this project's."""
