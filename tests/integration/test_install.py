"""What `make install` gives is enough for somebody who has nothing else of ours."""

import os
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "/opt/traj"  # /usr would be left out of pkg-config's flags
WARNINGS = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
HEADER_ONLY = "#include <traj.h>\nint main(void) { return traj_version() == 0; }\n"


def run(*command, **options):
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, **options
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def library(destdir, name="."):
    return Path(f"{destdir}{PREFIX}/lib") / name


def make(*goals, destdir):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    run("make", "-s", *goals, f"PREFIX={PREFIX}", f"DESTDIR={destdir}", cwd=ROOT, env=environment)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    destdir = tmp_path_factory.mktemp("dest")
    make("install", destdir=destdir)
    return destdir


@pytest.fixture(scope="module")
def installed_static(installed, tmp_path_factory):
    """The same, of somebody who packaged only the archive."""
    destdir = tmp_path_factory.mktemp("static")
    shutil.copytree(installed, destdir, dirs_exist_ok=True, symlinks=True)
    for shared in library(destdir).glob("libtraj.so*"):
        shared.unlink()
    return destdir


def flags(destdir, *which):
    environment = dict(
        os.environ,
        PKG_CONFIG_PATH=f"{destdir}{PREFIX}/lib/pkgconfig",
        PKG_CONFIG_SYSROOT_DIR=str(destdir),
    )
    return run("pkg-config", *which, "traj", env=environment).split()


def run_offline(program, tmp_path, destdir):
    environment = dict(
        os.environ,
        TRAJ_MODE="offline",
        TRAJ_DIR=str(tmp_path / "spool"),
        LD_LIBRARY_PATH=str(library(destdir)),
    )
    done = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return [path for path in (tmp_path / "spool").rglob("*") if path.is_file()]


def test_minimal_example_builds_shared_from_pkg_config_and_runs(installed, tmp_path):
    program = tmp_path / "minimal"
    run("cc", "-o", program, ROOT / "client/examples/minimal.c",
        *flags(installed, "--cflags", "--libs"), "-lm", cwd=tmp_path)
    assert "libtraj.so.0" in run("readelf", "-d", program)
    spooled = run_offline(program, tmp_path, installed)
    assert sum(path.stat().st_size for path in spooled) > 200 * 100  # 200 steps


def test_minimal_example_builds_static_from_pkg_config_and_runs(installed_static, tmp_path):
    program = tmp_path / "minimal"
    run("cc", "-o", program, ROOT / "client/examples/minimal.c",
        *flags(installed_static, "--static", "--cflags", "--libs"), cwd=tmp_path)
    assert "libtraj" not in run("readelf", "-d", program)
    assert run_offline(program, tmp_path, installed_static)


def test_shared_library_has_its_soname_and_needs_no_more_than_it_says(installed):
    dynamic = run("readelf", "-d", library(installed, "libtraj.so.0"))
    assert re.findall(r"SONAME.*\[(.*)\]", dynamic) == ["libtraj.so.0"]
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", dynamic))
    # The dynamic linker itself is there for the error text of each thread.
    assert {name.split(".so")[0] for name in needed} <= {
        "libzmq", "libm", "libc", "libpthread", "ld-linux-x86-64", "ld-linux-aarch64"}
    assert os.readlink(library(installed, "libtraj.so")) == "libtraj.so.0"


def test_shared_library_exports_traj_names_only(installed):
    lines = run("nm", "-D", "--defined-only", library(installed, "libtraj.so.0")).split("\n")
    names = {line.split()[2].split("@")[0] for line in lines if line}
    versions = {name for name in names if name.startswith("TRAJ_")}
    assert versions == {"TRAJ_0"}
    assert names - versions and all(name.startswith("traj_") for name in names - versions)


def test_archive_exports_traj_names_only(installed):
    text = run("nm", "-g", "--defined-only", library(installed, "libtraj.a"))
    names = [line.split()[2] for line in text.split("\n") if len(line.split()) == 3]
    assert names and all(name.startswith("traj_") for name in names)


def test_every_function_of_the_header_is_exported(installed):
    header = Path(f"{installed}{PREFIX}/include/traj.h").read_text()
    declared = set(re.findall(r"^TRAJ_API[^;]*?\*?\b(traj_\w+)\(", header, re.M))
    exported = run("nm", "-D", "--defined-only", library(installed, "libtraj.so.0"))
    assert len(declared) >= 20
    assert declared == set(re.findall(r" T (traj_\w+)", exported))


def test_the_manual_page_names_every_function(installed):
    declared = set(re.findall(r"^#define (traj_\w+)\(", (ROOT / "client/traj.h").read_text(), re.M))
    exported = run("nm", "-D", "--defined-only", library(installed, "libtraj.so.0"))
    declared |= {n for n in re.findall(r" T (traj_\w+)", exported) if not n.endswith("_sized")}
    page = (ROOT / "client/traj.3").read_text().split(".Sh DESCRIPTION")[0]
    assert declared == set(re.findall(r"^\.Fn (traj_\w+)", page, re.M))


@pytest.mark.parametrize(
    "compiler, standard, suffix",
    [("gcc", "c99", "c"), ("clang", "c99", "c"), ("gcc", "c17", "c"),
     ("g++", "c++11", "cc"), ("clang++", "c++11", "cc"), ("g++", "c++20", "cc")],
)
def test_header_compiles_by_itself(installed, tmp_path, compiler, standard, suffix):
    source = tmp_path / f"header.{suffix}"
    source.write_text(HEADER_ONLY)
    run(compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only", source,
        *flags(installed, "--cflags"))


@pytest.mark.parametrize("compiler, standard",
                         [("g++", "c++11"), ("clang++", "c++11"), ("g++", "c++20")])
def test_initialisers_of_the_header_do_not_warn_in_cpp(installed, tmp_path, compiler, standard):
    source = tmp_path / "init.cc"
    source.write_text(
        "#include <traj.h>\n"
        "static const traj_fit_options f = TRAJ_FIT_OPTIONS_INIT;\n"
        "int main() { traj_options o = TRAJ_OPTIONS_INIT;"
        " traj_watch_options w = TRAJ_WATCH_INIT;"
        " traj_uncertainty_options u = TRAJ_UNCERTAINTY_OPTIONS_INIT;"
        " struct traj_step s; traj_step_init(&s);"
        " return o.size == sizeof o && w.size == sizeof w && f.size == sizeof f"
        " && u.size == sizeof u && !o.endpoint && !o.fork_run && w.delta_only == 0"
        " && s.size == sizeof s ? 0 : 1; }\n")
    run(compiler, f"-std={standard}", *WARNINGS, "-o", tmp_path / "init", source,
        *flags(installed, "--cflags", "--libs"), f"-Wl,-rpath,{library(installed)}")
    run(tmp_path / "init")


def test_installed_programs_run_and_agree_on_the_version(installed):
    version = "".join(flags(installed, "--modversion"))
    for program in ("trajd", "traj"):
        assert version in run(f"{installed}{PREFIX}/bin/{program}", "--version")


def test_the_tables_are_installed_for_other_programs(installed):
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(str(library(installed, "trajd/trajd_tables")))
    modules = {name for name, in db.execute("SELECT name FROM pragma_module_list")}
    assert {"steps", "probes", "metrics", "events", "sharpness", "groups", "fits"} <= modules
    db.close()


def test_all_manual_pages_are_installed(installed):
    manual = Path(f"{installed}{PREFIX}/share/man")
    ours = [path.name for part in ("client", "daemon") for path in (ROOT / part).glob("*.[1-8]")]
    assert {"traj.1", "traj.3", "trajd.8"} <= set(ours)
    assert sorted(path.name for path in manual.rglob("*.*")) == sorted(ours)


def test_nothing_installed_names_the_build_tree(installed):
    text = library(installed, "pkgconfig/traj.pc").read_text()
    assert str(ROOT) not in text and str(installed) not in text and "@" not in text


def test_uninstall_leaves_nothing_behind(tmp_path):
    destdir = tmp_path / "a folder"
    make("install", destdir=destdir)
    assert library(destdir, "libtraj.so.0").is_file()
    make("uninstall", destdir=destdir)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []
