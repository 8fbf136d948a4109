"""Hook of mkdocs: makes the pages, written to be read where the sources lie, fit for a site that has only themselves."""

import re

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

# [text](../src/…), from a page of docs/ to a file beside it.
OUTSIDE = re.compile(r"\[([^\]]*)\]\(\.\./([^)\s]*)\)")
# The changelog lies beside docs/; in the site it is a page like the others.
CHANGELOG = "CHANGELOG.md"
# What rustdoc is told of a block, beside its language.
RUSTDOC = re.compile(r"^```rust,\w+", re.MULTILINE)
# What makes Markdown of words: links, emphasis, code.
MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*`]")
# What a paragraph of prose begins with: a letter, or a piece of code that is no block.
PROSE = re.compile(r"\w|`(?!``)")
# What a browser fetches without being asked to. A link is followed only by who clicks on it.
FETCHED = re.compile(r"""<(?:script|link|img|iframe|source|video|audio|object|embed)\b[^>]*?(?:src|href|data)=["']?(?:https?:)?//[^>]*>""")
# What search engines show of a description.
DESCRIPTION_MAX = 160


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

    page.meta["description"] = described(markdown)
    if page.file.src_uri == CHANGELOG:
        return markdown.replace("](docs/", "](")
    return RUSTDOC.sub("```rust", OUTSIDE.sub(link, markdown))


def on_post_template(output, template_name, config):
    return alone(output, template_name) if template_name.endswith(".html") else output


def on_post_page(output, page, config):
    return alone(output, page.file.src_uri)


def alone(html, name):
    """Whoever reads a page tells nobody else of it: nothing in it comes from another host."""
    if found := FETCHED.search(html):
        raise PluginError(f"{name} fetches from elsewhere: {found.group()}")
    return html


def described(markdown):
    """The sentences that a page begins with, as many as a description holds."""
    paragraph = next(part for part in markdown.split("\n\n") if PROSE.match(part))
    words = " ".join(MARKUP.sub(r"\1", paragraph).split())
    sentences = re.split(r"(?<=\.) ", words)
    description = sentences.pop(0)
    while sentences and len(description) + 1 + len(sentences[0]) <= DESCRIPTION_MAX:
        description += f" {sentences.pop(0)}"
    return description.rstrip(":").replace('"', "'")
