"""What well-known Python calls do.

A call is ``action``, optionally with a position: ``read 0`` acts on the first argument.
"""

# ruff: noqa: E501  (tables read better an action a line)

from __future__ import annotations

_TABLE = {
    "shell 0": "os.system os.popen subprocess.getoutput subprocess.getstatusoutput commands.getoutput popen2.popen2 pty.spawn asyncio.create_subprocess_shell platform.popen",
    "process 0": "subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen pexpect.spawn pexpect.run sh.Command",
    "argv 0": "os.execv os.execve os.execvp os.execvpe os.execl os.execle os.execlp os.posix_spawn asyncio.create_subprocess_exec os.execlpe",
    "argv 1": "os.spawnl os.spawnle os.spawnlp os.spawnv os.spawnve os.spawnvp os.spawnvpe",
    "open 0": "open io.open codecs.open gzip.open bz2.open lzma.open os.open os.fdopen tarfile.open zipfile.ZipFile sqlite3.connect shelve.open dbm.open",
    "secret 0": "keyring.get_password keyring.get_credential browser_cookie3.chrome browser_cookie3.firefox browser_cookie3.load win32crypt.CryptUnprotectData",
    "settings": "winreg.SetValue winreg.SetValueEx winreg.DeleteKey winreg.DeleteValue winreg.CreateKey winreg.DeleteKeyEx keyring.set_password keyring.delete_password",
    "schedule": "crontab.CronTab",
    "types": "pyautogui.write pyautogui.typewrite pyautogui.press pyautogui.hotkey pyautogui.click keyboard.write keyboard.send keyboard.press pynput.keyboard.Controller pynput.mouse.Controller mouse.click",
    "read 0": "fileinput.input fileinput.FileInput os.listdir os.scandir os.walk os.stat glob.glob glob.iglob os.readlink os.path.getsize linecache.getline pandas.read_csv pandas.read_json pandas.read_excel numpy.load xml.etree.ElementTree.parse ET.parse configparser.read json.load_file PIL.Image.open cv2.imread runpy.run_path",
    "delete 0": "os.remove os.unlink os.rmdir os.removedirs send2trash.send2trash",
    "delete-tree 0": "shutil.rmtree",
    "write 0": "os.mkdir os.makedirs os.mknod os.mkfifo os.truncate os.utime os.chown os.lchown os.setxattr shutil.chown pathlib.Path.mkdir tempfile.mkdtemp",
    "chmod 0": "os.chmod os.lchmod os.fchmod",
    "copy": "shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.copymode shutil.copystat os.link os.symlink",
    "move": "shutil.move os.rename os.replace os.renames",
    "archive": "shutil.make_archive",
    "unpack": "shutil.unpack_archive",
    "receive 0": "requests.get requests.head requests.options httpx.get httpx.head httpx.options aiohttp.get urllib.request.urlretrieve wget.download webbrowser.open feedparser.parse",
    "urlopen": "urllib.request.urlopen urllib2.urlopen",
    "request": "urllib.request.Request urllib2.Request",
    "send 0": "requests.post requests.put requests.patch requests.delete httpx.post httpx.put httpx.patch httpx.delete httpx.stream",
    "send 1": "requests.request httpx.request",
    "connect": "socket.create_connection socket.connect smtplib.SMTP smtplib.SMTP_SSL ftplib.FTP paramiko.SSHClient telnetlib.Telnet http.client.HTTPConnection http.client.HTTPSConnection websocket.create_connection websockets.connect",
    "socket": "socket.socket socket",
    "dynamic 0": "eval exec compile code.interact code.InteractiveConsole execfile types.FunctionType types.CodeType marshal.loads pickle.loads pickle.load dill.loads cloudpickle.loads yaml.load yaml.unsafe_load",
    "run-file 0": "runpy.run_path",
    "import 0": "__import__ importlib.import_module runpy.run_module imp.load_source importlib.reload",
    "getattr": "getattr",
    "kill": "os.kill os.killpg signal.pthread_kill",
    "bomb": "os.fork os.forkpty",
    "dup": "os.dup2",
    "decode 0": "base64.b64decode base64.b32decode base64.b16decode base64.decodebytes base64.urlsafe_b64decode base64.standard_b64decode codecs.decode bytes.fromhex binascii.unhexlify binascii.a2b_base64 zlib.decompress gzip.decompress",
    "escalate": "os.setuid os.setgid os.seteuid os.setreuid os.setresuid",
    "home": "os.path.expanduser pathlib.Path.home Path.home",
    "environ": "os.getenv os.environ.get os.environ.copy",
    "print": "print sys.stdout.write pprint.pprint",
    "join": "os.path.join pathlib.Path pathlib.PurePath pathlib.PosixPath Path posixpath.join",
    "same 0": "os.path.abspath os.path.realpath os.path.normpath str os.fspath shlex.quote os.fsencode os.path.expandvars bytes",
    "cwd": "os.getcwd pathlib.Path.cwd Path.cwd",
    "chdir": "os.chdir",
    "sql": "psycopg2.connect pymysql.connect mysql.connector.connect sqlalchemy.create_engine psycopg.connect asyncpg.connect",
    "serve": "http.server.HTTPServer socketserver.TCPServer flask.Flask.run",
    "install": "pip.main pip._internal.main ensurepip.bootstrap",
}
CALLS: dict[str, str] = {name: action for action, names in _TABLE.items() for name in names.split()}

_METHODS = {
    "method-read": "read_text read_bytes iterdir rglob glob",
    "method-write": "write_text write_bytes touch mkdir symlink_to hardlink_to chmod",
    "method-delete": "unlink rmdir",
    "method-rename": "rename replace_to",
    "method-open": "Path.open open",
    "extract": "extractall",
    "stop": "kill terminate send_signal",
    "connect 0": "connect connect_ex",
    "listen": "bind listen",
    "socket-send": "socket.send socket.sendall socket.sendto sendall sendto storbinary storlines sendmail send_message",
    "session-send": "Session.post Session.put Session.patch Session.delete Client.post Client.put Client.patch Client.delete AsyncClient.post ClientSession.post",
    "session-get": "Session.get Client.get AsyncClient.get ClientSession.get",
    "execute-sql": "execute executemany executescript",
    "remote-command": "SSHClient.exec_command exec_command",
    "decode-method": "b64decode",
}
ATTRIBUTES: dict[str, str] = {name: action for action, names in _METHODS.items() for name in names.split()}

HARMLESS_MODULES = frozenset(
    [
        "json",
        "re",
        "sys",
        "math",
        "datetime",
        "time",
        "collections",
        "itertools",
        "functools",
        "typing",
        "dataclasses",
        "string",
        "textwrap",
        "random",
        "statistics",
        "decimal",
        "fractions",
        "pprint",
        "copy",
        "enum",
        "abc",
        "operator",
        "bisect",
        "heapq",
        "hashlib",
        "uuid",
    ]
)
