//! Several servers in one process, on any runtimes.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::mpsc;

use pillarbox::store::{Memory, StaticAccounts};
use pillarbox::{Runtime, Server};

use super::harness::{Client, DEADLINE};

fn server(name: &str) -> Server {
    let accounts = StaticAccounts::new().with(name, "pw");
    Server::builder(Arc::new(Memory::new()), Arc::new(accounts))
        .name(name)
        .listen("127.0.0.1:0")
        .listen("127.0.0.1:0")
        .max_connections(8, 8)
        .plaintext_login(true)
        .build()
        .expect("it can be built")
}

fn connect(address: std::net::SocketAddr) -> Client<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, DEADLINE).expect("the server accepts");
    socket.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    Client::new(socket)
}

#[test]
fn any_number_of_servers_run_in_one_process() {
    let runtimes = [
        #[cfg(feature = "runtime-tokio")]
        Runtime::Tokio,
        #[cfg(feature = "runtime-smol")]
        Runtime::Smol,
    ];
    let mut running = Vec::new();
    for (number, runtime) in runtimes.into_iter().cycle().take(4).enumerate() {
        let name = format!("server-{number}");
        let server = server(&name);
        let (addresses, hub) = (server.addresses().to_owned(), server.hub().clone());
        let service = server.service().clone();
        let (done, end) = mpsc::channel();
        std::thread::spawn(move || done.send(server.run(runtime)));
        running.push((name, addresses, hub, service, end));
    }
    while let Some((name, addresses, hub, service, end)) = running.pop() {
        let mut client = connect(addresses[1]);
        assert!(client.line().contains(&format!("{name} ready")));
        let said = client.command(&format!("a LOGIN {name} pw"));
        assert!(said.contains("a OK "), "{said}");
        client.command("b CREATE Mine");
        let said = client.command("c LIST \"\" *");
        assert_eq!(said.matches("* LIST ").count(), 2, "{said}");
        let mut settings = service.settings();
        settings.max_connections = 1;
        service.replace_settings(settings);
        assert!(connect(addresses[0]).line().starts_with("* BYE "));
        hub.shutdown();
        assert!(client.line().starts_with("* BYE "));
        let ended = end.recv_timeout(DEADLINE).expect("it ends in time");
        ended.expect("it ends well");
        for (name, addresses, ..) in &running {
            assert!(
                connect(addresses[0])
                    .line()
                    .contains(&format!("{name} ready"))
            );
        }
    }
}

#[test]
fn a_server_that_is_dropped_has_ended() {
    let running = server("dropped")
        .start(Runtime::default())
        .expect("it runs");
    let address = running.addresses()[0];
    let mut client = connect(address);
    assert!(client.line().contains("dropped ready"));
    drop(running);
    assert!(client.line().starts_with("* BYE ") && client.is_closed());
    assert!(TcpStream::connect_timeout(&address, DEADLINE).is_err());
}
