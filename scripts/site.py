"""Hook of mkdocs: makes the pages, written to be read where the sources lie, fit for a site that has only themselves."""

import re

from mkdocs.structure.files import File

# [text](../src/…), from a page of docs/ to a file beside it.
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]*)\)")
# The changelog lies beside docs/; in the site it is a page like the others.
CHANGELOG = "CHANGELOG.md"
# What rustdoc is told of a block, beside its language.
RUSTDOC = re.compile(r"^```rust,\w+", re.MULTILINE)


def on_files(files, config):
    changelog = f"{config.config_file_path.removesuffix('mkdocs.yml')}{CHANGELOG}"
    files.append(File.generated(config, CHANGELOG, abs_src_path=changelog))
    return files


def on_page_markdown(markdown, page, config, files):
    def link(found):
        text, path = found.groups()
        if path == CHANGELOG:
            return f"[{text}]({CHANGELOG})"
        # Without a place where the sources can be read, the words stay and lead nowhere.
        return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{path})" if config.repo_url else text

    if page.file.src_uri == CHANGELOG:
        return markdown.replace("](docs/", "](")
    return RUSTDOC.sub("```rust", OUTSIDE.sub(link, markdown))
